package vfio.sim;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** The bus into which cards are inserted: it keeps addresses unique and publishes functions as services. */
@Component(service = SimulatedBus.class)
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=vfio.pci.api.pci.PciDevice")
public final class SimulatedBus {
    private static final System.Logger LOGGER = System.getLogger(SimulatedBus.class.getName());

    private final Publisher publisher;
    private final Set<PciAddress> taken = new HashSet<>();

    /** Makes a function known; running the result takes it back. */
    interface Publisher {
        Runnable publish(PciDevice device);
    }

    @Activate
    public SimulatedBus(BundleContext context) {
        this(device -> {
            ServiceRegistration<PciDevice> registration = context.registerService(
                    PciDevice.class, device, FrameworkUtil.asDictionary(PciDevice.serviceProperties(device)));
            return registration::unregister;
        });
    }

    SimulatedBus(Publisher publisher) {
        this.publisher = publisher;
    }

    /**
     * Makes a card and inserts it. Its functions are published in order and withdrawn in reverse order.
     *
     * @param name what the card is, for the log
     * @param maker makes the card; an IllegalArgumentException means bad configuration
     * @throws VfioException EEXIST if one of its addresses is taken, EINVAL if it is badly configured; logged
     */
    InsertedCard insert(String name, Supplier<Card> maker) {
        try {
            return insert(maker.get());
        } catch (VfioException e) {
            throw refuse(name, e);
        } catch (IllegalArgumentException e) {
            throw refuse(name, new VfioException(Errno.EINVAL, String.valueOf(e.getMessage()), e));
        }
    }

    private InsertedCard insert(Card card) {
        InsertedCard inserted = new InsertedCard(card);
        boolean complete = false;
        try {
            claim(card.functions());
            inserted.claimed = true;
            card.functions().forEach(function -> inserted.published.push(publisher.publish(function)));
            complete = true;
            return inserted;
        } finally {
            if (!complete) {
                inserted.close();
            }
        }
    }

    private static VfioException refuse(String name, VfioException reason) {
        LOGGER.log(System.Logger.Level.ERROR, () -> name + " is not on the simulated bus: " + reason.getMessage());
        return reason;
    }

    private synchronized void claim(List<SimulatedFunction> functions) {
        for (SimulatedFunction function : functions) {
            if (taken.contains(function.address())) {
                throw new VfioException(
                        Errno.EEXIST,
                        "address " + function.address()
                                + " is taken by another simulated function; configure a free address");
            }
        }
        functions.forEach(function -> taken.add(function.address()));
    }

    private synchronized void free(List<SimulatedFunction> functions) {
        functions.forEach(function -> taken.remove(function.address()));
    }

    /** A card on the bus; close pulls it out. */
    final class InsertedCard implements AutoCloseable {
        private final Card card;
        private final Deque<Runnable> published = new ArrayDeque<>();
        private boolean claimed;

        private InsertedCard(Card card) {
            this.card = card;
        }

        @Override
        public synchronized void close() {
            while (!published.isEmpty()) {
                published.pop().run();
            }
            card.close();
            if (claimed) {
                claimed = false;
                free(card.functions());
            }
        }
    }
}
