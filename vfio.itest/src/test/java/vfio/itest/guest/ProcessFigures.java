package vfio.itest.guest;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What a process holds, as {@code /proc} says.
 *
 * @param descriptors open file descriptors
 * @param mappings areas of its address space, those of the virtual machine's own memory among them
 * @param mappedFiles those of files and of shared memory
 * @param threads its threads
 */
public record ProcessFigures(int descriptors, int mappings, int mappedFiles, int threads) {
    private static final Pattern MAPPING = Pattern.compile("(\\p{XDigit}+)-(\\p{XDigit}+) \\S+ (\\p{XDigit}+) .*");

    /**
     * A part of a file that is mapped.
     *
     * @param offset in the file
     * @param size bytes
     */
    public record FilePart(long offset, long size) {}

    public static ProcessFigures of(long pid) {
        return new ProcessFigures(
                entries(folder(pid).resolve("fd")).size(),
                maps(pid).size(),
                (int) maps(pid).stream().filter(line -> line.indexOf('/') >= 0).count(),
                entries(folder(pid).resolve("task")).size());
    }

    /** The parts of a memfd that a process has mapped, in the order of their offsets. */
    static List<FilePart> mappedParts(long pid, String memfd) {
        return maps(pid).stream()
                .filter(line -> line.contains("/memfd:" + memfd + " "))
                .map(MAPPING::matcher)
                .filter(Matcher::matches)
                .map(line -> {
                    long start = Long.parseUnsignedLong(line.group(1), 16);
                    long end = Long.parseUnsignedLong(line.group(2), 16);
                    return new FilePart(Long.parseLong(line.group(3), 16), end - start);
                })
                .sorted((one, other) -> Long.compare(one.offset(), other.offset()))
                .toList();
    }

    /** What the descriptors point to, and how many there are of each; for a message about too many of them. */
    static Map<String, Long> descriptorKinds(long pid) {
        return entries(folder(pid).resolve("fd")).stream()
                .map(ProcessFigures::target)
                .map(target -> target.replaceAll("\\[\\d+]", ""))
                .collect(groupingBy(target -> target, counting()));
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            return "closed meanwhile";
        }
    }

    private static List<String> maps(long pid) {
        try {
            return Files.readAllLines(folder(pid).resolve("maps"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Path> entries(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path folder(long pid) {
        return Path.of("/proc", Long.toString(pid));
    }
}
