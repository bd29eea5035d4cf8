package vfio.itest.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Where things are in the build. */
final class Places {
    private static final Path MODULE =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath();

    private Places() {}

    /** The start script of the distribution; fails if it has not been built. */
    static Path launcher() {
        Path launcher = MODULE.resolveSibling("vfio.dist").resolve("target/vfio-mediate/bin/vfio-mediate");
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
