package vfio.pci.core;

import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.osgi.framework.Bundle;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.mediate.MediateOps;

/** A registered vendor driver and the devices that are pinned to it. */
final class Mediator {
    private final MediateOps ops;
    private final ServiceReference<MediateOps> reference;
    private final Bundle bundle;
    private final Set<MediatedDevice> devices = ConcurrentHashMap.newKeySet();
    private final LongAdder failures = new LongAdder();
    private volatile boolean gone;

    Mediator(ServiceReference<MediateOps> reference, MediateOps ops) {
        this.reference = reference;
        this.ops = ops;
        // A reference forgets its bundle when the service goes; calls may still be inside then.
        bundle = reference.getBundle();
    }

    MediateOps ops() {
        return ops;
    }

    String name() {
        return property(MediateOps.NAME, bundle.getSymbolicName());
    }

    int ranking() {
        return reference.getProperty(Constants.SERVICE_RANKING) instanceof Integer ranking ? ranking : 0;
    }

    long serviceId() {
        return (Long) reference.getProperty(Constants.SERVICE_ID);
    }

    void failed() {
        failures.increment();
    }

    /** Pins a device to this driver. Returns false if the driver has left meanwhile. */
    boolean pin(MediatedDevice device) {
        devices.add(device);
        return !gone;
    }

    void unpin(MediatedDevice device) {
        devices.remove(device);
    }

    /** The service is being unregistered: its devices go on without it before this returns. */
    void leave() {
        gone = true;
        // All at once: each waits for its successor from the moment it has none, and that may be registered after this
        // only.
        devices.stream().map(device -> device.mediatorLeft(this)).toList().forEach(CompletableFuture::join);
    }

    MediatorInfo info() {
        return new MediatorInfo(
                name(),
                property(MediateOps.SERVES, "anything"),
                ranking(),
                serviceId(),
                bundle.getSymbolicName() + " " + bundle.getVersion(),
                bundle.getBundleId(),
                devices.stream()
                        .map(device -> device.device().address())
                        .sorted()
                        .toList(),
                failures.sum());
    }

    private String property(String key, String otherwise) {
        return reference.getProperty(key) instanceof String value ? value : otherwise;
    }
}
