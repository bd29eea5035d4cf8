package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.util.tracker.ServiceTracker;
import org.osgi.util.tracker.ServiceTrackerCustomizer;
import vfio.pci.api.mediate.MediateOps;

/**
 * The registered vendor drivers as an immutable snapshot, in the order in which they are asked: ranking descending, service
 * id ascending.
 *
 * <p>A service tracker rather than a component reference, because the order and the moment of departure are the point: a
 * driver's devices are detached before its unregistration completes.
 */
final class MediatorRegistry implements ServiceTrackerCustomizer<MediateOps, Mediator> {
    private static final Logger LOGGER = System.getLogger(MediatorRegistry.class.getPackageName());
    private static final Comparator<Place> ORDER = Comparator.comparingInt(Place::ranking)
            .reversed()
            .thenComparingLong(place -> place.mediator().serviceId());

    private final BundleContext context;
    private final Consumer<Mediator> arrived;
    private final ServiceTracker<MediateOps, Mediator> tracker;
    private volatile List<Mediator> snapshot = List.of();

    /** A driver with its ranking at one moment: a sort goes wrong for others too if a ranking changes in its course. */
    private record Place(Mediator mediator, int ranking) {
        Place(Mediator mediator) {
            this(mediator, mediator.ranking());
        }
    }

    /**
     * @param arrived is told of each driver after it has joined the snapshot
     */
    @SuppressWarnings("this-escape")
    MediatorRegistry(BundleContext context, Consumer<Mediator> arrived) {
        this.context = context;
        this.arrived = arrived;
        tracker = new ServiceTracker<>(context, MediateOps.class, this);
    }

    void open() {
        tracker.open();
    }

    void close() {
        tracker.close();
    }

    List<Mediator> snapshot() {
        return snapshot;
    }

    @Override
    public @Nullable Mediator addingService(ServiceReference<MediateOps> reference) {
        MediateOps ops = context.getService(reference);
        if (ops == null) {
            LOGGER.log(
                    Level.WARNING,
                    "{0} registered a driver but does not supply it; see its own log entries",
                    reference.getBundle());
            return null;
        }
        Mediator mediator = new Mediator(reference, ops);
        replace(Stream.of(mediator), null);
        arrived.accept(mediator);
        return mediator;
    }

    @Override
    public void modifiedService(ServiceReference<MediateOps> reference, Mediator mediator) {
        replace(Stream.empty(), null);
    }

    @Override
    public void removedService(ServiceReference<MediateOps> reference, Mediator mediator) {
        replace(Stream.empty(), mediator);
        mediator.leave();
        context.ungetService(reference);
    }

    private synchronized void replace(Stream<Mediator> arrived, @Nullable Mediator left) {
        snapshot = Stream.concat(snapshot.stream().filter(known -> known != left), arrived)
                .map(Place::new)
                .sorted(ORDER)
                .map(Place::mediator)
                .toList();
    }
}
