package vfio.sim;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.HotPlug;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** The bus into which cards are inserted: it keeps addresses unique and publishes functions as services. */
@Component(service = {SimulatedBus.class, HotPlug.class})
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=vfio.pci.api.pci.PciDevice")
public final class SimulatedBus implements HotPlug {
    private static final System.Logger LOGGER = System.getLogger(SimulatedBus.class.getName());

    private final Publication.Publisher publisher;
    private final Map<PciAddress, InsertedCard> taken = new HashMap<>();

    @Activate
    public SimulatedBus(BundleContext context) {
        this(function -> new Service(
                function,
                context.registerService(
                        PciDevice.class, function, FrameworkUtil.asDictionary(PciDevice.serviceProperties(function)))));
    }

    SimulatedBus(Publication.Publisher publisher) {
        this.publisher = publisher;
    }

    /** A function as a service. */
    private record Service(PciDevice function, ServiceRegistration<PciDevice> registration) implements Publication {
        @Override
        public void changed() {
            registration.setProperties(FrameworkUtil.asDictionary(PciDevice.serviceProperties(function)));
        }

        @Override
        public void withdraw() {
            registration.unregister();
        }
    }

    /**
     * Makes a card and inserts it. Its functions are published in order and withdrawn in reverse order.
     *
     * @param name what the card is, for the log
     * @param maker describes the card; an IllegalArgumentException means bad configuration
     * @param memory where its functions have their memory from
     * @throws VfioException EEXIST if one of its addresses is taken, EINVAL if it is badly configured; logged
     */
    InsertedCard insert(String name, Supplier<Card> maker, SharedMemory.Factory memory) {
        try {
            return InsertedCard.insert(maker.get(), memory, this);
        } catch (VfioException e) {
            throw refuse(name, e);
        } catch (IllegalArgumentException e) {
            throw refuse(name, new VfioException(Errno.EINVAL, String.valueOf(e.getMessage()), e));
        }
    }

    @Override
    public List<Place> places() {
        return cards().stream()
                .flatMap(InsertedCard::places)
                .sorted(Comparator.comparing(place -> place.function().address()))
                .toList();
    }

    @Override
    public List<PciAddress> remove(PciAddress address) {
        return card(address).remove(address);
    }

    @Override
    public void removeAlone(PciAddress address) {
        card(address).removeAlone(address);
    }

    @Override
    public List<PciAddress> add(PciAddress address) {
        return card(address).add(address);
    }

    @Override
    public List<PciAddress> setVirtualFunctions(PciAddress physicalFunction, int count) {
        return card(physicalFunction).setVirtualFunctions(physicalFunction, count);
    }

    Publication.Publisher publisher() {
        return publisher;
    }

    /** Gives addresses to a card: all of them or none. */
    synchronized void claim(InsertedCard card, List<PciAddress> addresses) {
        for (PciAddress address : addresses) {
            if (taken.containsKey(address)) {
                throw new VfioException(
                        Errno.EEXIST,
                        "address " + address + " is taken by another simulated function; configure a free address");
            }
        }
        addresses.forEach(address -> taken.put(address, card));
    }

    synchronized void free(List<PciAddress> addresses) {
        addresses.forEach(taken::remove);
    }

    static VfioException unknown(PciAddress address) {
        return new VfioException(
                Errno.ENODEV, address + " has no place on the simulated bus; sim:devices lists what has");
    }

    synchronized List<InsertedCard> cards() {
        return taken.values().stream().distinct().toList();
    }

    private synchronized InsertedCard card(PciAddress address) {
        InsertedCard card = taken.get(address);
        if (card == null) {
            throw unknown(address);
        }
        return card;
    }

    private static VfioException refuse(String name, VfioException reason) {
        LOGGER.log(System.Logger.Level.ERROR, () -> name + " is not on the simulated bus: " + reason.getMessage());
        return reason;
    }
}
