package vfio.pci.repository;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.pci.api.manage.BundleFiles.State;
import vfio.pci.api.manage.DriverLoader.Attempt;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.repository.BundleFolders.Failure;

/** Loads one bundle: installs it, starts it, and waits for its driver. What does not start is taken away again. */
final class Loading {
    private static final Logger LOG = System.getLogger(Loading.class.getPackageName());

    private final BundleFolders folders;
    private final BundleLife life;
    private final Drivers drivers;
    private final Supplier<LoadLimits> limits;

    /**
     * @param limits how long a driver may take to be registered, from the start of the attempt
     */
    Loading(BundleFolders folders, BundleLife life, Drivers drivers, Supplier<LoadLimits> limits) {
        this.folders = folders;
        this.life = life;
        this.drivers = drivers;
        this.limits = limits;
    }

    /**
     * Tries to load a bundle. A failure is logged when it is new.
     *
     * @return what came of it; empty if a bundle of this name is installed already, from wherever
     */
    Optional<Attempt> load(Candidate candidate, PciDevice device) {
        long start = System.nanoTime();
        for (Bundle present : folders.bundlesNamed(candidate.symbolicName())) {
            if (!folders.isLoaded(present) || present.getState() != Bundle.INSTALLED) {
                return Optional.empty();
            }
            // It was loaded, and has lost something that it needs since.
            takeAway(present);
        }
        Optional<String> failure = startAndAwait(candidate, start);
        if (failure.isEmpty()) {
            folders.succeeded(candidate.location());
            LOG.log(Level.INFO, "{0} was loaded for {1}", candidate.label(), device.address());
        } else if (folders.failed(candidate.location(), new Failure(candidate.stamp(), State.FAILED, failure.get()))) {
            LOG.log(
                    Level.WARNING,
                    "{0} was not loaded for {1}: {2} ({3})",
                    candidate.label(),
                    device.address(),
                    failure.get(),
                    candidate.location());
        }
        return Optional.of(new Attempt(candidate.label(), failure));
    }

    private Optional<String> startAndAwait(Candidate candidate, long start) {
        Optional<Bundle> installed = Optional.empty();
        try {
            Bundle bundle;
            try (InputStream content = candidate.content().open()) {
                bundle = life.install(candidate.location(), content);
            }
            installed = Optional.of(bundle);
            life.start(bundle, Bundle.START_TRANSIENT);
            Duration limit = limits.get().load();
            Duration left = limit.minusNanos(System.nanoTime() - start);
            return drivers.await(bundle, left)
                    ? Optional.empty()
                    : Optional.of("it started but offered no driver within " + limit.toMillis() + " ms");
        } catch (InvalidBundleException e) {
            return Optional.of(e.sentence());
        } catch (IOException e) {
            return Optional.of("it cannot be read: " + e);
        } catch (BundleException e) {
            String reason = life.reason(installed, e);
            installed.ifPresent(this::takeAway);
            return Optional.of(reason);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.of("loading was interrupted, because vfio.pci.repository stops");
        }
    }

    private void takeAway(Bundle bundle) {
        try {
            life.remove(bundle);
        } catch (BundleException e) {
            LOG.log(Level.WARNING, "{0} did not start and cannot be uninstalled: {1}", bundle, e);
        }
    }
}
