package vfio.linux;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What the kernel knows about this process. */
final class ProcessState {
    private ProcessState() {}

    /** Open files of the kinds that this bundle opens; the JVM itself opens jars and pipes when it likes. */
    static long openFiles() {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.filter(ProcessState::isOurs).count();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** Whether a number is a memfd; if it is not, it may be closed or belong to the JVM. */
    static boolean isMemfd(int number) {
        return target(Path.of("/proc/self/fd", Integer.toString(number))).startsWith("/memfd:");
    }

    private static boolean isOurs(Path file) {
        String target = target(file);
        return target.startsWith("socket:")
                || target.startsWith("anon_inode:")
                || target.startsWith("/memfd:")
                || target.equals("/dev/net/tun");
    }

    private static String target(Path file) {
        try {
            return Files.readSymbolicLink(file).toString();
        } catch (IOException closed) {
            return "";
        }
    }

    /** Lines of {@code /proc/self/maps} that contain a text. */
    static long mappings(String text) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains(text)).count();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    static long virtualKilobytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmSize:"))
                    .map(line -> line.replaceAll("\\D", ""))
                    .mapToLong(Long::parseLong)
                    .sum();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}
