package vfio.pci.repository;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceEvent;
import org.osgi.framework.ServiceListener;
import org.osgi.framework.ServiceReference;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.mediate.MediateOps;

/** The drivers that bundles have registered, and which of them are in use. */
final class Drivers {
    private static final String ANY = "(" + Constants.OBJECTCLASS + "=" + MediateOps.class.getName() + ")";

    private final BundleContext context;

    Drivers(BundleContext context) {
        this.context = context;
    }

    /** What the core knows of the drivers, in the order in which they are asked; nothing without a core. */
    List<MediatorInfo> known() {
        return withManager(DeviceManager::mediators, List.of());
    }

    /** Waits until a bundle offers a driver. Returns whether it did in time. */
    boolean await(Bundle bundle, Duration limit) throws InterruptedException {
        CountDownLatch offered = new CountDownLatch(1);
        ServiceListener listener = event -> {
            if (event.getType() == ServiceEvent.REGISTERED
                    && bundle.equals(event.getServiceReference().getBundle())) {
                offered.countDown();
            }
        };
        try {
            context.addServiceListener(listener, ANY);
            return offers(bundle) || offered.await(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InvalidSyntaxException e) {
            throw new IllegalStateException(e);
        } finally {
            context.removeServiceListener(listener);
        }
    }

    /** Whether a bundle offers a driver now. */
    static boolean offers(Bundle bundle) {
        ServiceReference<?>[] services = bundle.getRegisteredServices();
        return services != null
                && Arrays.stream(services)
                        .map(service -> (String[]) service.getProperty(Constants.OBJECTCLASS))
                        .anyMatch(types -> types != null && Arrays.asList(types).contains(MediateOps.class.getName()));
    }

    /** The manager is looked up when it is needed: it refers to our services itself, so a reference would be a circle. */
    private <T> T withManager(Function<DeviceManager, T> request, T otherwise) {
        ServiceReference<DeviceManager> reference = context.getServiceReference(DeviceManager.class);
        DeviceManager manager = reference == null ? null : context.getService(reference);
        if (reference == null || manager == null) {
            return otherwise;
        }
        try {
            return request.apply(manager);
        } finally {
            context.ungetService(reference);
        }
    }
}
