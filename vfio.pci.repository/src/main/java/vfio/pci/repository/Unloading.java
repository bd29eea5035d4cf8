package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;

/** Unloads what was loaded on demand when it has not been in use for some time. Owns the thread that does it. */
final class Unloading implements AutoCloseable {
    private static final Logger LOG = System.getLogger(Unloading.class.getPackageName());
    private static final Duration JOIN = Duration.ofSeconds(1);

    private final BundleFolders folders;
    private final BundleLife life;
    private final Drivers drivers;
    private final Predicate<Bundle> beingLoaded;
    private final Supplier<LoadLimits> limits;
    private final ScheduledThreadPoolExecutor executor;
    private @Nullable Future<?> next;

    /**
     * @param beingLoaded whether a bundle is being loaded, and so must not be unloaded
     * @param limits when it is time
     */
    Unloading(
            BundleFolders folders,
            BundleLife life,
            Drivers drivers,
            Predicate<Bundle> beingLoaded,
            Supplier<LoadLimits> limits) {
        this.folders = folders;
        this.life = life;
        this.drivers = drivers;
        this.beingLoaded = beingLoaded;
        this.limits = limits;
        executor = new ScheduledThreadPoolExecutor(1, work -> new Thread(work, "vfio-unload"));
        executor.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        executor.setRemoveOnCancelPolicy(true);
    }

    /** A device has been closed: the time begins anew. Does not wait. */
    void closed() {
        Duration delay = limits.get().unloadAfter();
        if (!delay.isNegative()) {
            after(delay);
        }
    }

    @Override
    public void close() {
        executor.shutdown();
        try {
            executor.awaitTermination(JOIN.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void after(Duration time) {
        if (next != null) {
            next.cancel(false);
        }
        next = executor.schedule(this::unloadIdle, time.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Unloads the bundles whose drivers have no device. Those that are about to get one are looked at later. */
    private void unloadIdle() {
        for (Bundle bundle : folders.loaded()) {
            if (isBusy(bundle)) {
                continue;
            }
            if (beingLoaded.test(bundle) || isFresh(bundle)) {
                after(limits.get().load());
            } else {
                unload(bundle);
            }
        }
    }

    /** Whether a driver of a bundle has a device now. That changes while other bundles are being unloaded. */
    private boolean isBusy(Bundle bundle) {
        return drivers.known().stream()
                .anyMatch(driver -> driver.bundleId() == bundle.getBundleId() && driver.openDevices() > 0);
    }

    private boolean isFresh(Bundle bundle) {
        return System.currentTimeMillis() - bundle.getLastModified()
                < limits.get().load().toMillis();
    }

    private void unload(Bundle bundle) {
        try {
            life.remove(bundle);
            LOG.log(
                    Level.INFO,
                    "{0} {1} was unloaded: nobody uses it any more",
                    bundle.getSymbolicName(),
                    bundle.getVersion());
        } catch (BundleException | IllegalStateException e) {
            LOG.log(Level.WARNING, "{0} cannot be unloaded: {1}", bundle, e);
        }
    }
}
