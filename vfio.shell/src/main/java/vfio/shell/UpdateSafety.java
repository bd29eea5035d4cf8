package vfio.shell;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.framework.wiring.FrameworkWiring;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediates;

/** What may be updated while devices are open: what no open device stands on. */
final class UpdateSafety {
    /** Bundles that open devices are made of. Whatever has one of them restart ends every connection. */
    private static final Set<String> PATH =
            Set.of("vfio.pci.api", "vfio.pci.core", "vfio.user", "vfio.linux", "vfio.host", "vfio.sim");

    private static final String VENDOR = "Bundle-Vendor";

    private final BundleContext context;
    private final List<OpenDevice> open;

    UpdateSafety(BundleContext context, List<OpenDevice> open) {
        this.context = context;
        this.open = open;
    }

    /** Why a bundle must not be updated now; empty if it may be. */
    Optional<String> objection(Bundle bundle) {
        if (bundle.getBundleId() == Constants.SYSTEM_BUNDLE_ID) {
            return Optional.of("it is the framework; stop the runtime and start the new one");
        }
        if (open.isEmpty()) {
            return Optional.empty();
        }
        Set<String> path = new TreeSet<>();
        for (Bundle restarted : dependents(bundle)) {
            if (PATH.contains(restarted.getSymbolicName())) {
                path.add(restarted.getSymbolicName());
            }
        }
        if (!path.isEmpty()) {
            return Optional.of("open devices stand on " + String.join(", ", path)
                    + ", so it would end the connections of " + users());
        }
        if (!isOurs(bundle) && !isVendorBundle(bundle)) {
            return Optional.of(
                    "services that open devices stand on may come from it; close the devices first: " + users());
        }
        return Optional.empty();
    }

    /** The bundle and those that would have to be refreshed with it. */
    Collection<Bundle> dependents(Bundle bundle) {
        return context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION)
                .adapt(FrameworkWiring.class)
                .getDependencyClosure(Set.of(bundle));
    }

    private String users() {
        return open.stream()
                .map(device -> device.device().address() + " (" + device.user() + ")")
                .sorted()
                .collect(Collectors.joining(", "));
    }

    private boolean isOurs(Bundle bundle) {
        return BundleRow.header(bundle, VENDOR).equals(BundleRow.header(context.getBundle(), VENDOR));
    }

    /** Whether devices that it serves are handed over when it goes: it says that it mediates, or it does. */
    private static boolean isVendorBundle(Bundle bundle) {
        BundleRevision revision = bundle.adapt(BundleRevision.class);
        return revision != null
                && (!revision.getDeclaredCapabilities(Mediates.NAMESPACE).isEmpty() || offersDriver(bundle));
    }

    private static boolean offersDriver(Bundle bundle) {
        ServiceReference<?>[] services = bundle.getRegisteredServices();
        return services != null
                && Arrays.stream(services)
                        .map(service -> (String[]) service.getProperty(Constants.OBJECTCLASS))
                        .anyMatch(types -> Arrays.asList(types).contains(MediateOps.class.getName()));
    }
}
