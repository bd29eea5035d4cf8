package vfio.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import vfio.pci.api.pci.PciAddress;

/** Finds out what the host does with a function: what would be lost if its driver were taken away. */
final class HostUse {
    private static final int IFF_UP = 1;
    private static final int DEPTH = 12;

    private final Sysfs sysfs;
    private final Path proc;
    private final Function<String, List<String>> interfaceAddresses;

    /**
     * @param proc {@code /proc}
     * @param interfaceAddresses the addresses of a network interface
     */
    HostUse(Sysfs sysfs, Path proc, Function<String, List<String>> interfaceAddresses) {
        this.sysfs = sysfs;
        this.proc = proc;
        this.interfaceAddresses = interfaceAddresses;
    }

    /** The addresses of a network interface of this process' network. */
    static List<String> addresses(String name) {
        try {
            NetworkInterface known = NetworkInterface.getByName(name);
            return known == null
                    ? List.of()
                    : known.inetAddresses()
                            .filter(address -> !address.isLinkLocalAddress())
                            .map(InetAddress::getHostAddress)
                            .toList();
        } catch (SocketException e) {
            return List.of();
        }
    }

    /** What the host does with a function, as a sentence; empty if nothing is known. */
    Optional<String> of(PciAddress address) {
        List<Path> below = below(sysfs.folder(address));
        return usedInterface(below).or(() -> usedDisk(below));
    }

    /** The folders of interfaces and block devices below a function, at whatever depth its bus puts them. */
    private static List<Path> below(Path function) {
        try (Stream<Path> walk = Files.walk(function.toRealPath(), DEPTH)) {
            return walk.filter(Files::isDirectory).toList();
        } catch (IOException | UncheckedIOException e) {
            return List.of();
        }
    }

    private Optional<String> usedInterface(List<Path> below) {
        for (Path folder : below) {
            if (!isIn(folder, "net")) {
                continue;
            }
            String name = folder.getFileName().toString();
            int flags = Sysfs.line(folder.resolve("flags")).map(Integer::decode).orElse(0);
            List<String> known = (flags & IFF_UP) == 0 ? List.of() : interfaceAddresses.apply(name);
            if (!known.isEmpty()) {
                return Optional.of("its interface " + name + " is up with " + String.join(", ", known));
            }
        }
        return Optional.empty();
    }

    private Optional<String> usedDisk(List<Path> below) {
        Set<String> names = new HashSet<>();
        Set<String> numbers = new HashSet<>();
        for (Path folder : below) {
            Optional<String> number = Sysfs.line(folder.resolve("dev"));
            if (number.isPresent() && Files.isRegularFile(folder.resolve("size"))) {
                names.add(folder.getFileName().toString());
                numbers.add(number.get());
                // Whatever is made of it, as by LVM or RAID.
                names.addAll(Sysfs.names(folder.resolve("holders")));
                Sysfs.names(folder.resolve("holders"))
                        .forEach(holder -> Sysfs.line(folder.resolve("holders/" + holder + "/dev"))
                                .ifPresent(numbers::add));
            }
        }
        return names.isEmpty() ? Optional.empty() : mounted(names, numbers).or(() -> swap(names));
    }

    /** Lines of mountinfo: id, parent, device number, root, mount point, options, tags, "-", type, source. */
    private Optional<String> mounted(Set<String> names, Set<String> numbers) {
        for (String line : lines(proc.resolve("self/mountinfo"))) {
            String[] fields = line.split(" ", -1);
            int separator = List.of(fields).indexOf("-");
            if (separator < 5 || fields.length < separator + 3) {
                continue;
            }
            String source = fields[separator + 2];
            if (numbers.contains(fields[2]) || names.contains(source.substring(source.lastIndexOf('/') + 1))) {
                return Optional.of("a disk of it is mounted at " + fields[4]);
            }
        }
        return Optional.empty();
    }

    private Optional<String> swap(Set<String> names) {
        return lines(proc.resolve("swaps")).stream()
                .map(line -> line.split("\\s+", -1)[0])
                .filter(path -> names.contains(path.substring(path.lastIndexOf('/') + 1)))
                .map(path -> "the host swaps to its disk " + path)
                .findFirst();
    }

    private static boolean isIn(Path folder, String parent) {
        return folder.getParent() != null && folder.getParent().endsWith(parent);
    }

    private static List<String> lines(Path file) {
        try {
            return new ArrayList<>(Files.readAllLines(file));
        } catch (IOException e) {
            return List.of();
        }
    }
}
