package vfio.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;

/** The kernel's tree of devices, as far as it concerns PCI. What is read may be gone a moment later. */
final class Sysfs {
    private static final int NO_NODE = -1;
    private static final Pattern ADDRESS = Pattern.compile("[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]");
    private static final String VIRTFN = "virtfn";
    private static final Pattern VIRTUAL_FUNCTION = Pattern.compile(VIRTFN + "[0-9]+");

    private final Path bus;

    /** @param root {@code /sys} */
    Sysfs(Path root) {
        bus = root.resolve("bus/pci");
    }

    /** The addresses of all functions, ascending. */
    List<PciAddress> addresses() {
        return addresses(bus.resolve("devices")).toList();
    }

    /** A function; empty if there is none at this address. */
    Optional<SysfsFunction> function(PciAddress address) {
        Path folder = folder(address);
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        try {
            return Optional.of(read(address, folder));
        } catch (UncheckedIOException | NumberFormatException e) {
            if (Files.isDirectory(folder)) {
                throw new VfioException(Errno.EIO, folder + " cannot be read: " + e.getMessage(), e);
            }
            return Optional.empty();
        }
    }

    /** The function, which has to be there. */
    SysfsFunction require(PciAddress address) {
        return function(address)
                .orElseThrow(() -> new VfioException(Errno.ENODEV, address + " is not present on this host"));
    }

    /** The functions of a group. */
    List<SysfsFunction> group(PciAddress address) {
        return addresses(folder(address).resolve("iommu_group/devices"))
                .flatMap(member -> function(member).stream())
                .toList();
    }

    /** The virtual functions of a function, by number. */
    List<PciAddress> virtualFunctions(PciAddress physical) {
        Path folder = folder(physical);
        return names(folder).stream()
                .filter(name -> VIRTUAL_FUNCTION.matcher(name).matches())
                .sorted(Comparator.comparing(name -> Integer.parseInt(name.substring(VIRTFN.length()))))
                .flatMap(name -> link(folder.resolve(name)).stream())
                .map(PciAddress::parse)
                .toList();
    }

    /** The name of a function's own node below {@code /dev/vfio/devices}; empty if its driver or the kernel makes none. */
    Optional<String> vfioDevice(PciAddress address) {
        return names(folder(address).resolve("vfio-dev")).stream().findFirst();
    }

    /** Where a function is described. */
    Path folder(PciAddress address) {
        return bus.resolve("devices").resolve(address.toString());
    }

    /** Where a driver is described. */
    Path driver(String name) {
        return bus.resolve("drivers").resolve(name);
    }

    /** Where drivers are looked for. */
    Path driversProbe() {
        return bus.resolve("drivers_probe");
    }

    /** The names in a folder; none if it does not exist. */
    static List<String> names(Path folder) {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (IOException | DirectoryIteratorException e) {
            return List.of();
        }
        return names.stream().sorted().toList();
    }

    /** The line in a file; empty if it cannot be read. */
    static Optional<String> line(Path file) {
        try {
            return Optional.of(Files.readString(file).strip());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /**
     * Writes a line to a file, as {@code echo} does.
     *
     * @throws VfioException EACCES or EIO, with what was written where
     */
    static void write(Path file, String line) {
        try {
            Files.writeString(file, line + "\n", StandardCharsets.US_ASCII, StandardOpenOption.WRITE);
        } catch (AccessDeniedException e) {
            throw new VfioException(
                    Errno.EACCES, "may not write '" + line + "' to " + file + "; run the runtime as root", e);
        } catch (IOException e) {
            throw new VfioException(
                    Errno.EIO, "the kernel refused '" + line + "' in " + file + ": " + e.getMessage(), e);
        }
    }

    /** Addresses in a folder, without those in domains that some bridges invent and that have more digits than PCI's. */
    private static Stream<PciAddress> addresses(Path folder) {
        return names(folder).stream()
                .filter(name -> ADDRESS.matcher(name).matches())
                .map(PciAddress::parse)
                .sorted();
    }

    private SysfsFunction read(PciAddress address, Path folder) {
        Optional<PciAddress> physicalFunction = link(folder.resolve("physfn")).map(PciAddress::parse);
        return new SysfsFunction(
                address,
                new PciIds(
                        hex(folder, "vendor"),
                        hex(folder, "device"),
                        hex(folder, "subsystem_vendor"),
                        hex(folder, "subsystem_device"),
                        hex(folder, "class"),
                        hex(folder, "revision")),
                link(folder.resolve("driver")),
                number(link(folder.resolve("iommu_group"))),
                physicalFunction,
                physicalFunction
                        .map(physical -> virtualFunctions(physical).indexOf(address))
                        .orElse(-1),
                number(line(folder.resolve("sriov_numvfs"))).orElse(0),
                number(line(folder.resolve("sriov_totalvfs"))).orElse(0),
                node(folder),
                Files.isDirectory(folder.resolve("vfio-dev")));
    }

    private static OptionalInt node(Path folder) {
        OptionalInt node = number(line(folder.resolve("numa_node")));
        return node.isPresent() && node.getAsInt() == NO_NODE ? OptionalInt.empty() : node;
    }

    /** The name of what a link points to; empty if there is none. */
    private static Optional<String> link(Path link) {
        try {
            @Nullable Path name = Files.readSymbolicLink(link).getFileName();
            return Optional.ofNullable(name).map(Path::toString);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static OptionalInt number(Optional<String> text) {
        return text.isPresent() ? OptionalInt.of(Integer.parseInt(text.get())) : OptionalInt.empty();
    }

    private static int hex(Path folder, String name) {
        try {
            return Integer.decode(Files.readString(folder.resolve(name)).strip());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
