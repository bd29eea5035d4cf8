package vfio.bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the command line of each program here says: {@code [--quick] [--dist DIR] [--peer-cpu N]}.
 *
 * @param distribution the unpacked distribution to measure
 * @param quick fewer and shorter rounds, for a first look
 * @param peerCpu the CPU that processes at the other end are bound to; empty to leave it to the scheduler
 */
record Settings(Path distribution, boolean quick, Optional<String> peerCpu) {
    private static final Path BUILT = Path.of("vfio.dist/target/vfio-mediate");

    static Settings parse(String... arguments) {
        Path distribution = BUILT;
        boolean quick = false;
        Optional<String> peerCpu = Optional.empty();
        for (int index = 0; index < arguments.length; index++) {
            boolean hasValue = index + 1 < arguments.length;
            if (arguments[index].equals("--quick")) {
                quick = true;
            } else if (arguments[index].equals("--dist") && hasValue) {
                distribution = Path.of(arguments[++index]);
            } else if (arguments[index].equals("--peer-cpu") && hasValue) {
                peerCpu = Optional.of(arguments[++index]);
            } else {
                throw new IllegalArgumentException(
                        "'" + arguments[index] + "' is not an option; there are --quick, --dist DIR and --peer-cpu N");
            }
        }
        return new Settings(distribution.toAbsolutePath().normalize(), quick, peerCpu);
    }

    /** The script that starts the distribution. */
    Path launcher() {
        Path launcher = distribution.resolve("bin/vfio-mediate");
        if (!Files.isExecutable(launcher)) {
            throw new IllegalStateException(
                    launcher + " is missing; build it with 'mvn package -pl vfio.dist -am' or name it with --dist DIR");
        }
        return launcher;
    }

    /**
     * A copy of the distribution's configuration with other devices.
     *
     * @param copy a folder that is not there yet
     * @param bus content of {@code bus.json}
     * @return the folder
     */
    Path configurationWithBus(Path copy, String bus) throws IOException {
        Files.createDirectory(copy);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(distribution.resolve("etc"))) {
            for (Path file : files) {
                Files.copy(file, copy.resolve(file.getFileName().toString()));
            }
        }
        Files.writeString(copy.resolve("bus.json"), bus);
        return copy;
    }

    /** The command that runs another one where processes at the other end belong. */
    List<String> asPeer(List<String> command) {
        List<String> bound = new ArrayList<>();
        peerCpu.ifPresent(cpu -> bound.addAll(List.of("taskset", "-c", cpu)));
        bound.addAll(command);
        return bound;
    }
}
