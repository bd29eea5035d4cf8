package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.BundleListener;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Follows {@code deploy/} and what goes on in the framework: carries out what files ask for, tries again what may succeed
 * now, and logs what changes.
 */
@Component(service = DeployComponent.class, immediate = true)
public final class DeployComponent implements BundleListener {
    private static final Logger LOG = System.getLogger(DeployComponent.class.getPackageName());

    /** How long the watched folder waits for a bundle to start or stop. */
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /** Things change in bursts; what is in between interests nobody. */
    private static final Duration PAUSE = Duration.ofMillis(250);

    private static final Duration JOIN = Duration.ofSeconds(1);
    private static final Set<Integer> CHANGES = Set.of(
            BundleEvent.INSTALLED,
            BundleEvent.RESOLVED,
            BundleEvent.STARTED,
            BundleEvent.STOPPED,
            BundleEvent.UPDATED,
            BundleEvent.UNRESOLVED,
            BundleEvent.UNINSTALLED);

    private final BundleContext context;
    private final DeployFolder folder;
    private final BundleFilesComponent files;
    private final StatusLog log = new StatusLog();
    private final Workers workers = new Workers("vfio-deploy");
    private final Thread reviewer = new Thread(this::follow, "vfio-deploy-review");
    private final Semaphore changes = new Semaphore(1);
    private final CountDownLatch closing = new CountDownLatch(1);

    /** Follows the framework from now on. */
    @Activate
    public DeployComponent(@Reference BundleFolders folders, BundleContext context) {
        this.context = context;
        folder = new DeployFolder(folders, new BundleLife(context));
        files = new BundleFilesComponent(folders, context);
        context.addBundleListener(this);
        reviewer.start();
    }

    /** What was deployed stays. */
    @Deactivate
    public void deactivate() {
        context.removeBundleListener(this);
        closing.countDown();
        changes.release();
        workers.close();
        try {
            reviewer.join(JOIN.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void bundleChanged(BundleEvent event) {
        if (CHANGES.contains(event.getType())) {
            changes.release();
        }
    }

    /** A file has come or has changed, and does not change any more. Returns when its bundle runs, or has failed to. */
    void changed(Path file) {
        carryOut(file, () -> folder.deploy(file));
    }

    /** A file has gone. Returns when its bundle has. */
    void gone(Path file) {
        carryOut(file, () -> folder.remove(file));
    }

    private void carryOut(Path file, Runnable work) {
        if (!isDone(work)) {
            LOG.log(
                    Level.WARNING,
                    "{0}: its bundle neither starts nor stops within {1} s; nobody waits for it any longer",
                    Locations.brief(file),
                    LIMIT.toSeconds());
        }
        changes.release();
    }

    private boolean isDone(Runnable work) {
        try {
            Future<Boolean> done = workers.begin(() -> {
                work.run();
                return true;
            });
            return Workers.await(done, System.nanoTime() + LIMIT.toNanos()).orElse(false);
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "stopping: nothing is deployed any more", e);
            return true;
        }
    }

    private void follow() {
        try {
            while (closing.getCount() > 0) {
                changes.acquire();
                if (!closing.await(PAUSE.toNanos(), TimeUnit.NANOSECONDS)) {
                    changes.drainPermits();
                    isDone(folder::retry);
                    log.report(files.files());
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
