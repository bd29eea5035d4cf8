package vfio.itest.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Where things are in the build. */
final class Places {
    private static final Path MODULE =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath();

    private Places() {}

    /** A folder beside the modules, or a module. */
    static Path beside(String name) {
        return MODULE.resolveSibling(name);
    }

    /** The start script of the distribution; fails if it has not been built. */
    static Path launcher() {
        Path launcher = beside("vfio.dist").resolve("target/vfio-mediate/bin/vfio-mediate");
        if (!Files.isExecutable(launcher)) {
            throw new AssertionError("there is no " + launcher + "; build it first: mvn -pl vfio.dist -am package");
        }
        return launcher;
    }

    /** A script that makes guests. */
    static String guestScript(String name) {
        return MODULE.resolve("guest").resolve(name).toString();
    }

    /** Where the reason is written if there can be no guest here. */
    static Path skipReport() {
        return MODULE.resolve("target/guest-skipped.txt");
    }

    /** A copy of the distribution, as it was unpacked, so with an empty {@code deploy}. */
    static Path copyOfDistribution(String name) {
        Path original = launcher().getParent().getParent();
        Path copy = emptyFolder("distribution", name);
        try (Stream<Path> parts = Files.list(original)) {
            parts.filter(part -> !part.endsWith("deploy") && !part.endsWith("var"))
                    .forEach(part -> copy(part, copy.resolve(part.getFileName())));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        emptyFolder("distribution", name + "/deploy");
        return copy;
    }

    /** Copies a folder with what is in it. */
    static void copy(Path from, Path to) {
        try (Stream<Path> walk = Files.walk(from)) {
            for (Path path : walk.sorted().toList()) {
                Files.copy(path, to.resolve(from.relativize(path)), StandardCopyOption.COPY_ATTRIBUTES);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** An empty folder in {@code target}. */
    static Path emptyFolder(String kind, String name) {
        Path folder = MODULE.resolve("target").resolve(kind).resolve(name);
        remove(folder);
        try {
            return Files.createDirectories(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Removes a folder and what is in it, if it is there. */
    static void remove(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(folder)) {
            List<Path> innermostFirst = walk.sorted(Comparator.reverseOrder()).toList();
            for (Path path : innermostFirst) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
