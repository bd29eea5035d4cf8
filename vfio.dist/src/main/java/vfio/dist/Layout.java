package vfio.dist;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Where things are in an unpacked distribution.
 *
 * @param home its top folder
 * @param etc the configuration in use
 * @param var logs and caches
 */
record Layout(Path home, Path etc, Path var) {

    /** What the Configurator wants in each file, with an example. */
    private static final Map<String, String> HEADER = Map.of(
            ":configurator:symbolic-name", "\":configurator:symbolic-name\": \"my.site\"",
            ":configurator:version", "\":configurator:version\": \"1.0.0\"");

    static Layout of(Path home, @Nullable Path etc, @Nullable String var) {
        return new Layout(
                home,
                etc != null ? etc : home.resolve("etc"),
                var == null || var.isEmpty()
                        ? home.resolve("var")
                        : Path.of(var).toAbsolutePath().normalize());
    }

    Path bundles() {
        return home.resolve("bundle");
    }

    Path repository() {
        return home.resolve("repository");
    }

    Path deploy() {
        return home.resolve("deploy");
    }

    Path log() {
        return var.resolve("log");
    }

    /** What the instance that uses a socket folder keeps while it runs, and no longer. */
    Path cache(SocketDirectory sockets) {
        return var.resolve("cache").resolve(sockets.key());
    }

    /**
     * Makes sure that the runtime can write what it writes.
     *
     * @throws LaunchException with {@link ExitStatus#CANNOT_CREATE}
     */
    void prepare(SocketDirectory sockets) throws LaunchException {
        for (Path folder : List.of(log(), cache(sockets))) {
            try {
                Files.createDirectories(folder);
            } catch (IOException e) {
                throw cannotWrite(folder, e.toString());
            }
            if (!Files.isWritable(folder)) {
                throw cannotWrite(folder, "not writable");
            }
        }
    }

    private static LaunchException cannotWrite(Path folder, String reason) {
        return new LaunchException(
                ExitStatus.CANNOT_CREATE,
                "cannot use " + folder + ": " + reason + ". VFIO_MEDIATE_VAR names another place for logs and caches.");
    }

    /** Removes what the instance kept. To be called when the framework is down. */
    void removeCache(SocketDirectory sockets) {
        Path cache = cache(sockets);
        try (Stream<Path> walk = Files.walk(cache)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException | UncheckedIOException e) {
            System.err.println("vfio-mediate: " + cache + " is left behind: " + e);
        }
    }

    /** A file of the configuration in use, or the distribution's own if that one has none of this name. */
    Path settings(String name) {
        Path own = etc.resolve(name);
        return Files.exists(own) ? own : home.resolve("etc").resolve(name);
    }

    /**
     * The configurations for the Configurator, in the order of their names.
     *
     * @throws LaunchException with {@link ExitStatus#CONFIGURATION} if something cannot be read, or is not JSON
     */
    List<Path> configurations() throws LaunchException {
        List<Path> files = list(etc, "*.json");
        for (Path file : files) {
            check(file);
        }
        return files;
    }

    /** The PIDs that a file for the Configurator has a configuration for. */
    static List<String> pids(Path file) throws LaunchException {
        return check(file).stream()
                .filter(name -> !name.startsWith(":"))
                .sorted()
                .toList();
    }

    private static Set<String> check(Path file) throws LaunchException {
        try {
            Set<String> names = JsonSyntax.check(Files.readString(file));
            for (Map.Entry<String, String> member : HEADER.entrySet()) {
                if (!names.contains(member.getKey())) {
                    throw new LaunchException(
                            ExitStatus.CONFIGURATION,
                            file + ": the Configurator wants a member such as " + member.getValue());
                }
            }
            return names;
        } catch (JsonSyntax.SyntaxException e) {
            throw new LaunchException(ExitStatus.CONFIGURATION, file + ":" + e.getMessage());
        } catch (IOException e) {
            throw new LaunchException(ExitStatus.CONFIGURATION, "cannot read " + file + ": " + e);
        }
    }

    /** Files of a folder that match a glob, in the order of their names. */
    static List<Path> list(Path folder, String glob) throws LaunchException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, glob)) {
            found.forEach(files::add);
        } catch (IOException e) {
            throw new LaunchException(ExitStatus.CONFIGURATION, "cannot read the folder " + folder + ": " + e);
        }
        files.sort(null);
        return files;
    }
}
