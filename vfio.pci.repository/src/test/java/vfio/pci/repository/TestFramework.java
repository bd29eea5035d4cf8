package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.felix.framework.FrameworkFactory;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.SynchronousBundleListener;
import org.osgi.framework.launch.Framework;

/** A real framework that offers the contracts, with the two folders. Notes what happens to bundles. */
final class TestFramework implements AutoCloseable {
    private static final String CONTRACTS = "vfio.pci.api.device;version=1.0.0,vfio.pci.api.pci;version=1.1.0,"
            + "vfio.pci.api.mediate;version=1.1.0,vfio.pci.api.manage;version=1.1.0";
    private static final Map<Integer, String> NOTED = Map.of(
            BundleEvent.INSTALLED, "installed",
            BundleEvent.STARTED, "started",
            BundleEvent.STOPPED, "stopped",
            BundleEvent.UPDATED, "updated",
            BundleEvent.UNINSTALLED, "uninstalled");

    private final Framework framework;
    private final List<String> events = new CopyOnWriteArrayList<>();

    TestFramework(Path home) throws BundleException {
        Map<String, String> settings = new HashMap<>();
        settings.put(Constants.FRAMEWORK_STORAGE, home.resolve("cache").toString());
        settings.put(Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, CONTRACTS);
        settings.put(BundleFolders.REPOSITORY, repository(home).toString());
        settings.put(BundleFolders.DEPLOY, deploy(home).toString());
        settings.put("felix.log.level", "0");
        framework = new FrameworkFactory().newFramework(settings);
        framework.start();
        context().addBundleListener((SynchronousBundleListener) event -> {
            String noted = NOTED.get(event.getType());
            if (noted != null) {
                events.add(noted + " " + event.getBundle().getSymbolicName());
            }
        });
    }

    static Path repository(Path home) {
        return home.resolve("repository");
    }

    static Path deploy(Path home) {
        return home.resolve("deploy");
    }

    BundleContext context() {
        return framework.getBundleContext();
    }

    /** What has happened since this was asked last. */
    List<String> events() {
        List<String> seen = List.copyOf(events);
        events.subList(0, seen.size()).clear();
        return seen;
    }

    Bundle bundle(String symbolicName) {
        List<Bundle> found = bundles(symbolicName);
        assertThat(found).as("bundles named %s", symbolicName).hasSize(1);
        return found.get(0);
    }

    List<Bundle> bundles(String symbolicName) {
        return Arrays.stream(context().getBundles())
                .filter(bundle -> symbolicName.equals(bundle.getSymbolicName()))
                .toList();
    }

    @Override
    public void close() throws Exception {
        framework.stop();
        framework.waitForStop(10_000);
    }
}
