package vfio.bench;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.apache.felix.framework.FrameworkFactory;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.launch.Framework;
import org.osgi.util.tracker.ServiceTracker;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * A framework with the core and the i40e driver as they are shipped, and functions that cost nothing underneath.
 *
 * <p>The API comes from the class path, so that the caller shares its types with the bundles.
 */
final class EmbeddedRuntime implements AutoCloseable {
    private static final String API = "vfio.pci.api";

    private static final String[] BUNDLES = {
        "org.osgi.util.function",
        "org.osgi.util.promise",
        "org.osgi.service.component",
        "org.apache.felix.scr",
        "vfio.pci.core",
        "migration.region",
        "mediate.i40e"
    };

    private static final PciAddress PRESENT = PciAddress.parse("0000:03:00.0");
    private static final PciAddress ABSENT = PciAddress.parse("0000:04:00.0");
    private static final PciAddress MEDIATED = PciAddress.parse("0000:03:02.0");
    private static final PciAddress PASSED_THROUGH = PciAddress.parse("0000:04:02.0");
    private static final long PATIENCE = 30_000;

    private final Framework framework;
    private final DeviceManager manager;

    private EmbeddedRuntime(Framework framework, DeviceManager manager) {
        this.framework = framework;
        this.manager = manager;
    }

    /**
     * Starts the framework.
     *
     * @param storage a folder for its cache
     */
    static EmbeddedRuntime start(Path storage) throws BundleException, InterruptedException {
        ClassPathBundles available = new ClassPathBundles();
        Framework framework = new FrameworkFactory()
                .newFramework(Map.of(
                        Constants.FRAMEWORK_STORAGE, storage.toString(),
                        Constants.FRAMEWORK_STORAGE_CLEAN, Constants.FRAMEWORK_STORAGE_CLEAN_ONFIRSTINIT,
                        Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, available.exports(API)));
        framework.start();
        BundleContext context = framework.getBundleContext();
        for (String name : BUNDLES) {
            context.installBundle(available.location(name));
        }
        for (Bundle bundle : context.getBundles()) {
            bundle.start();
        }
        return new EmbeddedRuntime(framework, manager(context));
    }

    /** A virtual function that the i40e driver mediates, counting every access. */
    OpenDevice openMediated() {
        add(FixedFunction.physical(PRESENT));
        return open(FixedFunction.virtual(MEDIATED, PRESENT), Optional.of("i40e"));
    }

    /** A virtual function that nobody mediates, because its physical function is not there. */
    OpenDevice openPassedThrough() {
        return open(FixedFunction.virtual(PASSED_THROUGH, ABSENT), Optional.empty());
    }

    @Override
    public void close() throws BundleException, InterruptedException {
        framework.stop();
        framework.waitForStop(PATIENCE);
    }

    private OpenDevice open(FixedFunction function, Optional<String> mediator) {
        add(function);
        OpenDevice device = manager.open(function.address(), "benchmark", ClientMemory.NONE);
        if (!device.mediator().equals(mediator)) {
            throw new IllegalStateException(function.address() + " is mediated by " + device.mediator() + ", not "
                    + mediator + ": " + manager.explain(function.address()));
        }
        return device;
    }

    private void add(FixedFunction function) {
        framework
                .getBundleContext()
                .registerService(
                        PciDevice.class, function, FrameworkUtil.asDictionary(PciDevice.serviceProperties(function)));
    }

    private static DeviceManager manager(BundleContext context) throws InterruptedException {
        ServiceTracker<DeviceManager, DeviceManager> tracker = new ServiceTracker<>(context, DeviceManager.class, null);
        tracker.open();
        DeviceManager manager = tracker.waitForService(PATIENCE);
        if (manager == null) {
            throw new IllegalStateException("the core did not offer its device manager");
        }
        return manager;
    }
}
