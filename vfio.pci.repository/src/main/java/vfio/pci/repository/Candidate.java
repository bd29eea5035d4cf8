package vfio.pci.repository;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.function.BinaryOperator;
import org.osgi.framework.Version;

/**
 * A bundle that could be loaded.
 *
 * @param symbolicName its symbolic name
 * @param version its version
 * @param location where it is installed from, the OSGi location of the bundle
 * @param stamp equal as long as what is there has not changed
 * @param content what is installed
 */
record Candidate(String symbolicName, Version version, String location, Object stamp, Content content) {
    /** Opens the content of a bundle. */
    @FunctionalInterface
    interface Content {
        InputStream open() throws IOException, InvalidBundleException;
    }

    static Candidate of(BundleJar jar, BundleManifest manifest) {
        return new Candidate(manifest.symbolicName(), manifest.version(), Locations.of(jar.file()), jar.stamp(), () -> {
            jar.verify();
            return Files.newInputStream(jar.file());
        });
    }

    /** Of each symbolic name the highest version, of equal ones the first; by symbolic name. */
    static List<Candidate> best(Collection<Candidate> candidates) {
        TreeMap<String, Candidate> best = new TreeMap<>();
        BinaryOperator<Candidate> higher = BinaryOperator.maxBy(Comparator.comparing(Candidate::version));
        candidates.forEach(candidate -> best.merge(candidate.symbolicName, candidate, higher));
        return List.copyOf(best.values());
    }

    /** Symbolic name and version, for people. */
    String label() {
        return symbolicName + " " + version;
    }
}
