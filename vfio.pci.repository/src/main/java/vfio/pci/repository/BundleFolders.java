package vfio.pci.repository;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import vfio.pci.api.manage.BundleFiles.State;
import vfio.pci.api.pci.PciIds;

/**
 * The folders that bundles come from, which bundle came from where, and what went wrong with a file. A bundle belongs to a
 * file by its location, so this is known again after a restart. Safe for several threads.
 */
@Component(service = BundleFolders.class)
public final class BundleFolders {
    /** Framework property: the folder of bundles that are loaded on demand. */
    static final String REPOSITORY = "vfio.repository.dir";

    /** Framework property: the folder that File Install watches. */
    static final String DEPLOY = "felix.fileinstall.dir";

    private final BundleContext context;
    private final JarFolder repository;
    private final JarFolder deploy;
    private final Map<String, Failure> failures = new ConcurrentHashMap<>();

    /** The files of the watched folder as they were when the watcher said that they do not change any more. */
    private final Map<Path, BundleJar.Stamp> settled = new ConcurrentHashMap<>();

    /** Files that a thread is busy with, perhaps for ever: vendor code is started. */
    private final Set<Path> busy = ConcurrentHashMap.newKeySet();

    /**
     * What went wrong with what was at a location then.
     *
     * @param stamp equal as long as it has not changed
     * @param state what became of it
     * @param sentence why
     */
    record Failure(Object stamp, State state, String sentence) {}

    /** Takes the folders from the properties of the framework. */
    @Activate
    public BundleFolders(BundleContext context) {
        this.context = context;
        repository = new JarFolder(context.getProperty(REPOSITORY));
        deploy = new JarFolder(context.getProperty(DEPLOY));
    }

    JarFolder repository() {
        return repository;
    }

    JarFolder deploy() {
        return deploy;
    }

    /** The bundle that was installed from a file. */
    Optional<Bundle> bundleOf(Path file) {
        return Optional.ofNullable(context.getBundle(Locations.of(file)));
    }

    /** The bundles of a symbolic name. */
    List<Bundle> bundlesNamed(String symbolicName) {
        return bundles()
                .filter(bundle -> symbolicName.equals(bundle.getSymbolicName()))
                .toList();
    }

    /** The bundles that were loaded on demand. */
    List<Bundle> loaded() {
        return bundles().filter(this::isLoaded).toList();
    }

    /** Whether a bundle was loaded on demand. */
    boolean isLoaded(Bundle bundle) {
        return bundle.getLocation().startsWith(RepositoryQuery.SCHEME)
                || Locations.file(bundle.getLocation())
                        .filter(repository::contains)
                        .isPresent();
    }

    /** The bundles of the repository folder that say they can mediate a device. */
    List<Candidate> matching(PciIds ids) {
        return repository.jars().stream()
                .flatMap(jar -> Optional.ofNullable(jar.manifest())
                        .filter(manifest -> manifest.matches(ids))
                        .map(manifest -> Candidate.of(jar, manifest))
                        .stream())
                .toList();
    }

    /** Remembers what went wrong with what is at a location, until that changes. Returns whether it is news. */
    boolean failed(String location, Failure failure) {
        return !failure.equals(failures.put(location, failure));
    }

    /** Nothing is wrong any more with what is at a location. */
    void succeeded(String location) {
        failures.remove(location);
    }

    /** What went wrong with a file as it is now. */
    Optional<Failure> failure(BundleJar jar) {
        return Optional.ofNullable(failures.get(Locations.of(jar.file())))
                .filter(failure -> failure.stamp.equals(jar.stamp()));
    }

    /** A file of the watched folder does not change any more. */
    void settled(BundleJar jar) {
        settled.put(jar.file(), jar.stamp());
    }

    /** Whether a file of the watched folder is as the watcher has seen it; one that has a bundle was seen before our time. */
    boolean isSettled(BundleJar jar) {
        BundleJar.Stamp stamp = settled.get(jar.file());
        return stamp == null ? bundleOf(jar.file()).isPresent() : stamp.equals(jar.stamp());
    }

    /** A thread begins to work on a file. Returns false if another is at it. */
    boolean begin(Path file) {
        return busy.add(file);
    }

    /** It is done. */
    void end(Path file) {
        busy.remove(file);
    }

    boolean isBusy(Path file) {
        return busy.contains(file);
    }

    /** Forgets a file that has gone. */
    void gone(Path file) {
        settled.remove(file);
        succeeded(Locations.of(file));
    }

    private Stream<Bundle> bundles() {
        return Arrays.stream(context.getBundles());
    }
}
