package vfio.pci.repository;

import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;

/** OSGi locations of bundles that come from files. */
final class Locations {
    /** What the framework's location begins with if a bundle is used where it lies. */
    private static final String REFERENCE = "reference:";

    private Locations() {}

    /** The location for a file, in the form that File Install uses. */
    static String of(Path file) {
        return file.toFile().toURI().toString();
    }

    /** A location for people: folder and name of a file. */
    static String brief(String location) {
        return file(location).map(Locations::brief).orElse(location);
    }

    /** A file for people: folder and name. */
    static String brief(Path file) {
        return file.subpath(Math.max(0, file.getNameCount() - 2), file.getNameCount())
                .toString();
    }

    /** The file at a location; empty if that is not one. */
    static Optional<Path> file(String location) {
        String address = location.startsWith(REFERENCE) ? location.substring(REFERENCE.length()) : location;
        if (!address.startsWith("file:/")) {
            return Optional.empty();
        }
        try {
            return Optional.of(Path.of(URI.create(address)));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
