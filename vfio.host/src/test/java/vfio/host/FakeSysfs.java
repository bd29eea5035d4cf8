package vfio.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import vfio.pci.api.pci.PciAddress;

/** A device tree in a folder, with what the kernel's has. Nothing happens when its files are written. */
final class FakeSysfs {
    static final PciAddress PF = PciAddress.parse("0000:01:00.0");
    static final PciAddress VF0 = PciAddress.parse("0000:01:10.0");
    static final PciAddress VF1 = PciAddress.parse("0000:01:10.2");
    static final PciAddress BRIDGE = PciAddress.parse("0000:00:04.0");
    static final PciAddress EDU = PciAddress.parse("0000:00:06.0");

    final Path root;

    FakeSysfs(Path root) {
        this.root = root;
        folder(root.resolve("bus/pci/drivers/vfio-pci"));
        file(root.resolve("bus/pci/drivers_probe"), "");
    }

    /** An igb with two virtual functions, a bridge, an edu in a group with a sound card's neighbour. */
    static FakeSysfs usual(Path root) {
        FakeSysfs tree = new FakeSysfs(root);
        tree.function(BRIDGE, "1b36", "000c", "060400")
                .driver(BRIDGE, "pcieport")
                .group(BRIDGE, 3);
        tree.function(PF, "8086", "10c9", "020000").driver(PF, "igb").group(PF, 4);
        tree.attribute(PF, "sriov_totalvfs", "7").attribute(PF, "sriov_numvfs", "2");
        tree.attribute(PF, "numa_node", "1");
        tree.function(VF0, "8086", "10ca", "020000").driver(VF0, "vfio-pci").group(VF0, 7);
        tree.function(VF1, "8086", "10ca", "020000").driver(VF1, "igbvf").group(VF1, 8);
        tree.virtual(PF, VF0, 0).virtual(PF, VF1, 1);
        tree.function(EDU, "1234", "11e8", "00ff00").group(EDU, 9);
        // As behind Intel's VMD.
        folder(root.resolve("bus/pci/devices/10000:e1:00.0"));
        return tree;
    }

    Path device(PciAddress address) {
        return root.resolve("devices/pci0000:00").resolve(address.toString());
    }

    FakeSysfs function(PciAddress address, String vendor, String device, String classCode) {
        folder(device(address));
        link(root.resolve("bus/pci/devices").resolve(address.toString()), device(address));
        attribute(address, "vendor", "0x" + vendor);
        attribute(address, "device", "0x" + device);
        attribute(address, "subsystem_vendor", "0x1af4");
        attribute(address, "subsystem_device", "0x1100");
        attribute(address, "class", "0x" + classCode);
        attribute(address, "revision", "0x01");
        attribute(address, "driver_override", "(null)");
        return attribute(address, "numa_node", "-1");
    }

    FakeSysfs driver(PciAddress address, String name) {
        Path driver = root.resolve("bus/pci/drivers").resolve(name);
        folder(driver);
        file(driver.resolve("bind"), "");
        file(driver.resolve("unbind"), "");
        link(device(address).resolve("driver"), driver);
        return this;
    }

    FakeSysfs noDriver(PciAddress address) {
        delete(device(address).resolve("driver"));
        return this;
    }

    FakeSysfs group(PciAddress address, int number) {
        Path group = root.resolve("kernel/iommu_groups/" + number);
        folder(group.resolve("devices"));
        link(device(address).resolve("iommu_group"), group);
        link(group.resolve("devices").resolve(address.toString()), device(address));
        return this;
    }

    FakeSysfs virtual(PciAddress physical, PciAddress virtual, int number) {
        link(device(virtual).resolve("physfn"), device(physical));
        link(device(physical).resolve("virtfn" + number), device(virtual));
        return this;
    }

    FakeSysfs attribute(PciAddress address, String name, String value) {
        file(device(address).resolve(name), value + "\n");
        return this;
    }

    void remove(PciAddress address) {
        delete(root.resolve("bus/pci/devices").resolve(address.toString()));
    }

    /** The line that was written to a file last. What was longer before is still there behind it, unlike in the kernel's. */
    String written(String file) {
        try {
            return Files.readString(root.resolve(file)).split("\n", -1)[0];
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void file(Path file, String text) {
        try {
            Files.createDirectories(file.getParent());
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void folder(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void link(Path link, Path target) {
        try {
            Files.createDirectories(link.getParent());
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, target);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
