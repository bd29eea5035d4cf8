package vfio.shell;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.wiring.FrameworkWiring;

/** Updates one bundle, and refreshes those that use its packages, and nothing else. */
final class BundleUpdate {
    private static final long PATIENCE_SECONDS = 30;

    private final FrameworkWiring wiring;
    private final Bundle bundle;

    BundleUpdate(BundleContext context, Bundle bundle) {
        wiring = context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION).adapt(FrameworkWiring.class);
        this.bundle = bundle;
    }

    /**
     * Updates from where the bundle was installed from.
     *
     * @throws CommandException if the framework refuses, or does not come to rest
     */
    void run() {
        try {
            bundle.update();
        } catch (BundleException e) {
            throw refused(e);
        }
        refresh();
    }

    /** Updates from a file. */
    void run(Path file) {
        try (InputStream jar = Files.newInputStream(file)) {
            bundle.update(jar);
        } catch (BundleException e) {
            throw refused(e);
        } catch (NoSuchFileException e) {
            throw new CommandException("there is no file " + file);
        } catch (IOException e) {
            throw new CommandException(file + " cannot be read: " + e.getMessage());
        }
        refresh();
    }

    private void refresh() {
        Collection<Bundle> pending = wiring.getRemovalPendingBundles();
        if (!pending.contains(bundle)) {
            return;
        }
        CountDownLatch refreshed = new CountDownLatch(1);
        wiring.refreshBundles(Set.of(bundle), event -> {
            if (event.getType() == FrameworkEvent.PACKAGES_REFRESHED) {
                refreshed.countDown();
            }
        });
        try {
            if (!refreshed.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new CommandException("the framework did not refresh the users of " + bundle.getSymbolicName()
                        + " within " + PATIENCE_SECONDS + " s; see the log");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private CommandException refused(BundleException e) {
        return new CommandException(bundle.getSymbolicName() + " was not updated as it should: " + e.getMessage());
    }
}
