package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.pci.api.manage.MediatorInfo;

/** Unloads what was loaded on demand when it has not been in use for some time. Owns the thread that does it. */
final class Unloading implements AutoCloseable {
    private static final Logger LOG = System.getLogger(Unloading.class.getPackageName());
    private static final Duration JOIN = Duration.ofSeconds(1);

    private final BundleFolders folders;
    private final BundleLife life;
    private final Drivers drivers;
    private final Predicate<Bundle> beingLoaded;
    private final Duration delay;
    private final ScheduledThreadPoolExecutor executor;
    private @Nullable Future<?> next;

    /**
     * @param beingLoaded whether a bundle is being loaded, and so must not be unloaded
     * @param delay after the last close; negative for never
     */
    Unloading(BundleFolders folders, BundleLife life, Drivers drivers, Predicate<Bundle> beingLoaded, Duration delay) {
        this.folders = folders;
        this.life = life;
        this.drivers = drivers;
        this.beingLoaded = beingLoaded;
        this.delay = delay;
        executor = new ScheduledThreadPoolExecutor(1, work -> new Thread(work, "vfio-unload"));
        executor.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        executor.setRemoveOnCancelPolicy(true);
    }

    /** A device has been closed: the time begins anew. Does not wait. */
    synchronized void closed() {
        if (delay.isNegative()) {
            return;
        }
        if (next != null) {
            next.cancel(false);
        }
        next = executor.schedule(this::unload, delay.toNanos(), TimeUnit.NANOSECONDS);
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

    /** Unloads the bundles whose drivers have no device. */
    private void unload() {
        Set<Long> busy = drivers.known().stream()
                .filter(driver -> driver.openDevices() > 0)
                .map(MediatorInfo::bundleId)
                .collect(Collectors.toSet());
        for (Bundle bundle : folders.loaded()) {
            if (!busy.contains(bundle.getBundleId()) && !beingLoaded.test(bundle)) {
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
    }
}
