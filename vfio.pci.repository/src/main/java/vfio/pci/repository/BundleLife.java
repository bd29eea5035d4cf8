package vfio.pci.repository;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
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
    private final int startLevel;

    BundleLife(BundleContext context) {
        this.context = context;
        framework = context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION).adapt(FrameworkWiring.class);
        // Below ours, so that at the end devices are closed before their drivers go and nobody waits for a successor.
        startLevel =
                Math.max(1, context.getBundle().adapt(BundleStartLevel.class).getStartLevel() - 1);
    }

    FrameworkWiring framework() {
        return framework;
    }

    Bundle install(String location, InputStream content) throws BundleException {
        Bundle bundle = context.installBundle(location, content);
        bundle.adapt(BundleStartLevel.class).setStartLevel(startLevel);
        return bundle;
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
     * that fail to are left to what the framework reports.
     *
     * @return those that use it and were restarted
     */
    List<Bundle> replace(Bundle bundle, Path content) throws BundleException, IOException {
        List<Bundle> users = running(users(bundle));
        boolean wasRunning = isRunning(bundle);
        if (wasRunning) {
            bundle.stop(Bundle.STOP_TRANSIENT);
        }
        try (InputStream stream = Files.newInputStream(content)) {
            bundle.update(stream);
        } catch (BundleException | IOException e) {
            restart(bundle, wasRunning);
            throw e;
        }
        refresh(bundle);
        if (wasRunning) {
            start(bundle, Bundle.START_TRANSIENT);
        }
        return users;
    }

    /** The framework has left it as it was, but stopped. */
    private void restart(Bundle bundle, boolean wasRunning) {
        if (wasRunning) {
            try {
                start(bundle, Bundle.START_TRANSIENT);
            } catch (BundleException e) {
                LOG.log(Level.ERROR, "{0} was not updated and does not start again: {1}", bundle, e);
            }
        }
    }

    /** Takes a bundle away, and from those that use it what they have of it. */
    void remove(Bundle bundle) throws BundleException {
        bundle.uninstall();
        refresh(bundle);
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
        return sentence(MissingNeeds.of(bundle.adapt(BundleRevision.class), framework));
    }

    /** What a bundle that is not installed would miss. */
    Optional<String> missing(BundleManifest manifest) {
        return sentence(MissingNeeds.of(manifest, framework));
    }

    static boolean isFragment(Bundle bundle) {
        return (bundle.adapt(BundleRevision.class).getTypes() & BundleRevision.TYPE_FRAGMENT) != 0;
    }

    static boolean isRunning(Bundle bundle) {
        return (bundle.getState() & (Bundle.STARTING | Bundle.ACTIVE)) != 0;
    }

    private static List<Bundle> running(Collection<Bundle> bundles) {
        return bundles.stream().filter(BundleLife::isRunning).toList();
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
