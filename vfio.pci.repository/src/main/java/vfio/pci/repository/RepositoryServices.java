package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.framework.namespace.PackageNamespace;
import org.osgi.framework.wiring.BundleWiring;
import org.osgi.util.tracker.ServiceTracker;
import vfio.pci.api.pci.PciIds;

/**
 * The services of the OSGi Repository specification, if there are any.
 *
 * <p>Their package need not be there. So this class does not mention their types: {@link RepositoryQuery} does, and is used
 * only if this bundle got the package.
 */
final class RepositoryServices implements AutoCloseable {
    private static final Logger LOG = System.getLogger(RepositoryServices.class.getPackageName());
    private static final String PACKAGE = "org.osgi.service.repository";

    private final @Nullable ServiceTracker<Object, Object> tracker;

    RepositoryServices(BundleContext context) {
        if (hasPackage(context)) {
            tracker = new ServiceTracker<>(context, PACKAGE + ".Repository", null);
            tracker.open();
        } else {
            tracker = null;
        }
    }

    /** Whether there is somebody to ask. */
    boolean isEmpty() {
        return tracker == null || tracker.isEmpty();
    }

    /** What they have for a device. One that fails is left out. May take as long as they take. */
    List<Candidate> find(PciIds ids) {
        List<Candidate> found = new ArrayList<>();
        if (tracker != null) {
            for (Object service : tracker.getTracked().values()) {
                try {
                    found.addAll(RepositoryQuery.find(service, ids));
                } catch (RuntimeException | LinkageError e) {
                    LOG.log(Level.WARNING, "the repository service {0} failed: {1}", service, e);
                }
            }
        }
        return found;
    }

    @Override
    public void close() {
        if (tracker != null) {
            tracker.close();
        }
    }

    private static boolean hasPackage(BundleContext context) {
        return context
                .getBundle()
                .adapt(BundleWiring.class)
                .getRequiredWires(PackageNamespace.PACKAGE_NAMESPACE)
                .stream()
                .anyMatch(wire ->
                        PACKAGE.equals(wire.getCapability().getAttributes().get(PackageNamespace.PACKAGE_NAMESPACE)));
    }
}
