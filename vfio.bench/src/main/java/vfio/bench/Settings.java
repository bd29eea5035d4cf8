package vfio.bench;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What the command line of each program here says: {@code [--quick] [--dist DIR]}.
 *
 * @param distribution the unpacked distribution to measure
 * @param quick fewer and shorter rounds, for a first look
 */
record Settings(Path distribution, boolean quick) {
    private static final Path BUILT = Path.of("vfio.dist/target/vfio-mediate");

    static Settings parse(String... arguments) {
        Path distribution = BUILT;
        boolean quick = false;
        for (int index = 0; index < arguments.length; index++) {
            if (arguments[index].equals("--quick")) {
                quick = true;
            } else if (arguments[index].equals("--dist") && index + 1 < arguments.length) {
                distribution = Path.of(arguments[++index]);
            } else {
                throw new IllegalArgumentException(
                        "'" + arguments[index] + "' is not an option; there are --quick and --dist DIR");
            }
        }
        return new Settings(distribution.toAbsolutePath().normalize(), quick);
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
}
