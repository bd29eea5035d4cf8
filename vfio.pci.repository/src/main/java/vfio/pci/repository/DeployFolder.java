package vfio.pci.repository;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.pci.api.manage.BundleFiles.State;
import vfio.pci.repository.BundleFolders.Failure;

/**
 * Does what the files in {@code deploy/} ask for: as long as a file is there, its bundle is. A bundle goes on when its file
 * is replaced by one that cannot take its place, and nobody is restarted but those that use what has changed.
 */
final class DeployFolder {
    private static final Logger LOG = System.getLogger(DeployFolder.class.getPackageName());

    private final BundleFolders folders;
    private final BundleLife life;

    /** What was installed last from each file, so that it is not installed again. */
    private final Map<Path, BundleJar.Stamp> deployed = new ConcurrentHashMap<>();

    /** Files that wait for something to change before they are tried again. */
    private final Set<Path> waiting = ConcurrentHashMap.newKeySet();

    DeployFolder(BundleFolders folders, BundleLife life) {
        this.folders = folders;
        this.life = life;
    }

    /** A file has come or has changed. */
    void deploy(Path file) {
        if (!folders.begin(file)) {
            waiting.add(file);
            return;
        }
        try {
            tryToDeploy(file);
        } finally {
            folders.end(file);
        }
    }

    private void tryToDeploy(Path file) {
        Optional<BundleJar> jar = folders.deploy().jar(file);
        if (jar.isEmpty()) {
            return;
        }
        Optional<Bundle> bundle = folders.bundleOf(file);
        folders.settled(jar.get());
        if (bundle.isPresent() && jar.get().stamp().equals(deployed.get(file))) {
            return;
        }
        waiting.remove(file);
        try {
            BundleManifest manifest = jar.get().valid();
            jar.get().verify();
            Optional<Failure> obstacle = obstacle(jar.get(), manifest, bundle);
            if (obstacle.isPresent()) {
                waiting.add(file);
                fail(jar.get(), obstacle.get());
            } else {
                put(jar.get(), manifest, bundle);
            }
        } catch (InvalidBundleException e) {
            fail(
                    jar.get(),
                    new Failure(
                            jar.get().stamp(),
                            e.isManifestWrong() ? State.WRONG_MANIFEST : State.NOT_A_BUNDLE,
                            e.sentence()));
        }
    }

    /** A file has gone. */
    void remove(Path file) {
        waiting.remove(file);
        deployed.remove(file);
        folders.gone(file);
        folders.bundleOf(file).ifPresent(bundle -> {
            try {
                life.remove(bundle);
            } catch (BundleException e) {
                LOG.log(Level.WARNING, "{0} cannot be uninstalled: {1}", bundle, e);
            }
        });
    }

    /** Something in the framework has changed: tries again what may succeed now. */
    void retry() {
        for (BundleJar jar : folders.deploy().jars()) {
            Optional<Bundle> bundle = folders.bundleOf(jar.file());
            BundleManifest manifest = jar.manifest();
            if (folders.isBusy(jar.file())) {
                continue;
            }
            if (waiting.contains(jar.file())) {
                if (manifest == null || obstacle(jar, manifest, bundle).isEmpty()) {
                    deploy(jar.file());
                }
            } else if (bundle.isPresent() && isToBeStarted(bundle.get())) {
                start(bundle.get(), jar);
            } else if (bundle.filter(BundleLife::isRunning).isPresent()) {
                folders.succeeded(Locations.of(jar.file()));
            }
        }
    }

    private boolean isToBeStarted(Bundle bundle) {
        return bundle.getState() == Bundle.INSTALLED
                && BundleLife.isWanted(bundle)
                && life.missing(bundle).isEmpty();
    }

    /** What keeps a file from being installed, or from taking its bundle's place, and may change without it. */
    private Optional<Failure> obstacle(BundleJar jar, BundleManifest manifest, Optional<Bundle> bundle) {
        if (bundle.filter(BundleLife::isRunning).isPresent()) {
            Optional<String> missing = life.missing(manifest);
            if (missing.isPresent()) {
                return Optional.of(new Failure(jar.stamp(), State.UNRESOLVED, missing.get()));
            }
        }
        return twins(manifest, bundle).stream()
                .filter(twin -> !folders.isLoaded(twin))
                .findFirst()
                .map(twin -> new Failure(
                        jar.stamp(),
                        State.FAILED,
                        manifest.label() + " is installed already, from " + Locations.brief(twin.getLocation())
                                + ": vfio:update " + twin.getBundleId() + " replaces that"));
    }

    private void put(BundleJar jar, BundleManifest manifest, Optional<Bundle> bundle) {
        Path file = jar.file();
        try {
            for (Bundle twin : twins(manifest, bundle)) {
                LOG.log(
                        Level.INFO,
                        "{0} makes way for {1}",
                        Locations.brief(twin.getLocation()),
                        Locations.brief(file));
                life.remove(twin);
            }
            Bundle put;
            if (bundle.isPresent()) {
                put = bundle.get();
                life.replace(put, file);
            } else {
                try (InputStream content = Files.newInputStream(file)) {
                    put = life.install(Locations.of(file), content);
                }
            }
            deployed.put(file, jar.stamp());
            folders.succeeded(Locations.of(file));
            if (!BundleLife.isRunning(put) && (bundle.isEmpty() || BundleLife.isWanted(put))) {
                start(put, jar);
            }
        } catch (BundleException e) {
            fail(jar, new Failure(jar.stamp(), State.FAILED, life.reason(folders.bundleOf(file), e)));
        } catch (IOException e) {
            fail(jar, new Failure(jar.stamp(), State.FAILED, "it cannot be read: " + e));
        }
    }

    /** A bundle that does not resolve is no failure here: the framework knows about it as long as it lasts. */
    private void start(Bundle bundle, BundleJar jar) {
        try {
            life.start(bundle, 0);
        } catch (BundleException e) {
            if (bundle.getState() != Bundle.INSTALLED) {
                fail(jar, new Failure(jar.stamp(), State.FAILED, life.reason(Optional.of(bundle), e)));
            }
        }
    }

    /** Other bundles of the same name and version, of which the framework takes but one. */
    private List<Bundle> twins(BundleManifest manifest, Optional<Bundle> self) {
        return folders.bundlesNamed(manifest.symbolicName()).stream()
                .filter(twin -> twin.getVersion().equals(manifest.version()))
                .filter(twin -> !self.equals(Optional.of(twin)))
                .toList();
    }

    private void fail(BundleJar jar, Failure failure) {
        folders.failed(Locations.of(jar.file()), failure);
    }
}
