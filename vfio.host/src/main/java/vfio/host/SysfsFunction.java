package vfio.host;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;

/**
 * What the kernel tells of a function, at one moment.
 *
 * @param address where it sits
 * @param ids what it is
 * @param driver that it is bound to
 * @param group its IOMMU group; empty if there is no IOMMU
 * @param physicalFunction of a VF
 * @param virtualFunctionNumber of a VF, else -1
 * @param virtualFunctions how many it has
 * @param virtualFunctionMaximum how many it can have
 * @param node the NUMA node it is at
 * @param vfio whether its driver is one for VFIO, as newer kernels tell
 */
record SysfsFunction(
        PciAddress address,
        PciIds ids,
        Optional<String> driver,
        OptionalInt group,
        Optional<PciAddress> physicalFunction,
        int virtualFunctionNumber,
        int virtualFunctions,
        int virtualFunctionMaximum,
        OptionalInt node,
        boolean vfio) {
    static final String VFIO_PCI = "vfio-pci";

    private static final int BRIDGE = 0x06;

    /** Drivers that do no DMA of their own, and so leave a group to VFIO. */
    private static final List<String> HARMLESS = List.of(VFIO_PCI, "pci-stub", "pcieport");

    /** Whether the kernel lets it be opened through VFIO. */
    boolean isVfio() {
        return vfio || driver.equals(Optional.of(VFIO_PCI));
    }

    /** Whether it keeps its group from being used. */
    boolean blocks() {
        return driver.isPresent() && !isVfio() && !HARMLESS.contains(driver.get());
    }

    boolean isBridge() {
        return ids.classCode() >>> 16 == BRIDGE;
    }

    /** Its driver, for people. */
    String boundTo() {
        return driver.map(name -> "bound to " + name).orElse("bound to no driver");
    }

    /**
     * Why it cannot be given to a VMM; empty if it can.
     *
     * @param group the functions of its group
     */
    Optional<String> unassignableReason(List<SysfsFunction> group) {
        if (isBridge()) {
            return Optional.of("it is a bridge, " + boundTo() + "; assign what is behind it");
        }
        if (this.group.isEmpty()) {
            return Optional.of(
                    "it has no IOMMU group; switch the IOMMU on, in the firmware and with intel_iommu=on (Intel)");
        }
        if (!isVfio()) {
            return Optional.of(boundTo() + "; run vfio:bind " + address);
        }
        return blocker(group)
                .map(other -> other.address() + " of the same IOMMU group is " + other.boundTo() + "; run vfio:bind "
                        + other.address());
    }

    /** Another function that keeps the group from being used. */
    Optional<SysfsFunction> blocker(List<SysfsFunction> group) {
        return group.stream()
                .filter(other -> !other.address().equals(address) && other.blocks())
                .findFirst();
    }

    /** The rest, for people. */
    Map<String, String> details() {
        Map<String, String> details = new TreeMap<>();
        details.put("kernel driver", driver.orElse("none"));
        details.put("IOMMU group", group.isPresent() ? Integer.toString(group.getAsInt()) : "none");
        node.ifPresent(number -> details.put("NUMA node", Integer.toString(number)));
        if (virtualFunctionMaximum > 0) {
            details.put("virtual functions", virtualFunctions + " of " + virtualFunctionMaximum);
        }
        return details;
    }
}
