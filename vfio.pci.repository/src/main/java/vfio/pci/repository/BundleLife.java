package vfio.pci.repository;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.startlevel.BundleStartLevel;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.framework.wiring.FrameworkWiring;

/** Installs, starts, replaces and removes bundles, and disturbs nobody but those that use them. */
final class BundleLife {
    private static final Logger LOG = System.getLogger(BundleLife.class.getPackageName());
    private static final long REFRESH_SECONDS = 60;

    private final BundleContext context;
    private final FrameworkWiring framework;

    BundleLife(BundleContext context) {
        this.context = context;
        framework = context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION).adapt(FrameworkWiring.class);
    }

    FrameworkWiring framework() {
        return framework;
    }

    /**
     * Installs a bundle. Its start level is the framework's lowest: when the runtime stops, devices are closed before their
     * drivers go, and nobody waits for a successor.
     */
    Bundle install(String location, InputStream content) throws BundleException {
        return context.installBundle(location, content);
    }

    /**
     * Starts a bundle, unless it is a fragment.
     *
     * @param options those of {@link Bundle#start(int)}
     */
    void start(Bundle bundle, int options) throws BundleException {
        if (!isFragment(bundle)) {
            bundle.start(options | Bundle.START_ACTIVATION_POLICY);
        }
    }

    /**
     * Puts a new content in place of a bundle's. The bundle and those that use it are restarted if they were running; those
     * that miss something now stay stopped.
     *
     * @return those that use it and were restarted
     */
    List<Bundle> replace(Bundle bundle, Path content) throws BundleException, IOException {
        boolean wasRunning = isRunning(bundle);
        List<Bundle> users = stopUsers(bundle);
        if (wasRunning) {
            stop(bundle);
        }
        try (InputStream stream = Files.newInputStream(content)) {
            bundle.update(stream);
            refresh(bundle);
        } finally {
            // Also if the framework did not take the content: then it has left the bundle as it was, but stopped.
            try {
                if (wasRunning) {
                    start(bundle, Bundle.START_TRANSIENT);
                }
            } finally {
                startAgain(users);
            }
        }
        return users;
    }

    /** Takes a bundle away, and from those that use it what they have of it. */
    void remove(Bundle bundle) throws BundleException {
        List<Bundle> users = stopUsers(bundle);
        try {
            bundle.uninstall();
            refresh(bundle);
        } finally {
            startAgain(users);
        }
    }

    /** Stops those that use a bundle. The framework would do it too, but also start those that cannot be. */
    private List<Bundle> stopUsers(Bundle bundle) throws BundleException {
        List<Bundle> users =
                users(bundle).stream().filter(BundleLife::isRunning).toList();
        for (Bundle user : users) {
            stop(user);
        }
        return users;
    }

    private void startAgain(List<Bundle> users) {
        for (Bundle user : users) {
            Optional<String> missing = missing(user);
            try {
                if (missing.isEmpty()) {
                    start(user, Bundle.START_TRANSIENT);
                } else {
                    LOG.log(Level.WARNING, "{0} stays stopped: {1}", user.getSymbolicName(), missing.get());
                }
            } catch (BundleException e) {
                LOG.log(
                        Level.ERROR,
                        "{0} does not start again: {1}",
                        user.getSymbolicName(),
                        reason(Optional.of(user), e));
            }
        }
    }

    /** It is stopped even if its activator fails then. */
    private static void stop(Bundle bundle) throws BundleException {
        try {
            bundle.stop(Bundle.STOP_TRANSIENT);
        } catch (BundleException e) {
            if (isRunning(bundle)) {
                throw e;
            }
            LOG.log(Level.WARNING, "{0} failed while it stopped: {1}", bundle.getSymbolicName(), e.toString());
        }
    }

    /** The bundles that use a bundle, directly or not; those are restarted when it is replaced. */
    List<Bundle> users(Bundle bundle) {
        List<Bundle> closure = new ArrayList<>(framework.getDependencyClosure(List.of(bundle)));
        closure.remove(bundle);
        return closure;
    }

    /** Why a bundle was not installed or did not start, as a sentence. */
    String reason(Optional<Bundle> bundle, BundleException failure) {
        Throwable cause = Optional.ofNullable(failure.getCause()).orElse(failure);
        return switch (failure.getType()) {
            case BundleException.RESOLVE_ERROR ->
                bundle.flatMap(this::missing).orElse("it does not resolve: " + failure.getMessage());
            case BundleException.ACTIVATOR_ERROR -> "its activator failed: " + cause;
            case BundleException.DUPLICATE_BUNDLE_ERROR -> "a bundle of its name and version is installed already";
            default -> "the framework refused it: " + failure.getMessage();
        };
    }

    /** What an installed bundle misses, as a sentence; empty if nothing is missing. */
    Optional<String> missing(Bundle bundle) {
        BundleRevision revision = bundle.adapt(BundleRevision.class);
        return revision == null ? Optional.empty() : sentence(MissingNeeds.of(revision, framework));
    }

    /** What a bundle that is not installed would miss. */
    Optional<String> missing(BundleManifest manifest) {
        return sentence(MissingNeeds.of(manifest, framework));
    }

    static boolean isFragment(Bundle bundle) {
        BundleRevision revision = bundle.adapt(BundleRevision.class);
        return revision != null && (revision.getTypes() & BundleRevision.TYPE_FRAGMENT) != 0;
    }

    static boolean isRunning(Bundle bundle) {
        return (bundle.getState() & (Bundle.STARTING | Bundle.ACTIVE)) != 0;
    }

    /** Whether a bundle is to run when it can: somebody has started it and nobody has stopped it for good. */
    static boolean isWanted(Bundle bundle) {
        BundleStartLevel level = bundle.adapt(BundleStartLevel.class);
        return level != null && level.isPersistentlyStarted();
    }

    private static Optional<String> sentence(List<String> missing) {
        return missing.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", missing));
    }

    /** Lets go of what a bundle was, if others use that; the framework has done it otherwise. */
    private void refresh(Bundle bundle) {
        if (!framework.getRemovalPendingBundles().contains(bundle)) {
            return;
        }
        CountDownLatch refreshed = new CountDownLatch(1);
        framework.refreshBundles(Set.of(bundle), event -> {
            if (event.getType() == FrameworkEvent.PACKAGES_REFRESHED) {
                refreshed.countDown();
            }
        });
        try {
            if (!refreshed.await(REFRESH_SECONDS, TimeUnit.SECONDS)) {
                LOG.log(
                        Level.ERROR,
                        "the bundles that use {0} were not restarted within {1} s; see felix:lb",
                        bundle,
                        REFRESH_SECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
