package vfio.host;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import vfio.linux.ControlFile;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Opens functions through the kernel's VFIO: through an iommufd where the kernel offers it, else through group and container.
 *
 * @param devices {@code /dev/vfio}; {@code /dev/iommu} is beside it
 * @param sysfs tells who is in a group
 * @param files opens a path
 * @param limit of memory that can be locked
 * @param mapping whether users may map registers, and with that get the device's descriptor
 */
record KernelOpener(Path devices, Sysfs sysfs, Function<Path, ControlFile> files, LockedMemory limit, boolean mapping)
        implements HostFunction.Opener {
    @Override
    public OpenHostFunction open(
            SysfsFunction function, HostInterrupts.Loss loss, Consumer<OpenHostFunction> whenClosed) {
        IommuDomain domain = node(function).map(node -> iommufd(function, node)).orElseGet(() -> group(function));
        boolean complete = false;
        try {
            OpenHostFunction opened = OpenHostFunction.of(function.address(), domain, mapping, loss, whenClosed);
            complete = true;
            return opened;
        } finally {
            if (!complete) {
                domain.close();
            }
        }
    }

    @Override
    public String way(SysfsFunction function) {
        return node(function).isPresent() ? IommufdDomain.WAY : GroupDomain.WAY;
    }

    /** The function's own node, if it and {@code /dev/iommu} are there. */
    private Optional<Path> node(SysfsFunction function) {
        return sysfs.vfioDevice(function.address())
                .map(name -> devices.resolve("devices").resolve(name))
                .filter(node -> Files.exists(node) && Files.exists(iommu()));
    }

    private Path iommu() {
        return devices.resolveSibling("iommu");
    }

    private IommuDomain iommufd(SysfsFunction function, Path node) {
        return IommufdDomain.open(iommu(), node, function.address().toString(), files, limit);
    }

    private IommuDomain group(SysfsFunction function) {
        int number = function.group()
                .orElseThrow(() -> new VfioException(Errno.EPERM, function.address() + " has no IOMMU group"));
        return GroupDomain.open(devices, number, function.address().toString(), files, limit, () -> blocked(function));
    }

    private String blocked(SysfsFunction function) {
        List<SysfsFunction> group = sysfs.group(function.address());
        return function.blocker(group)
                .map(other -> other.address() + " is " + other.boundTo() + "; run vfio:bind " + other.address())
                .orElse("another of its functions is used by the kernel; bind all of them (vfio:bind)");
    }
}
