package vfio.sim;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.NetworkCards;
import vfio.pci.api.pci.PciAddress;
import vfio.sim.xl710.PortStatus;

/** The network cards on the simulated bus. */
@Component
public final class SimulatedNetworkCards implements NetworkCards {
    private final SimulatedBus bus;

    @Activate
    public SimulatedNetworkCards(@Reference SimulatedBus bus) {
        this.bus = bus;
    }

    @Override
    public List<Port> ports() {
        return physicalFunctions()
                .sorted(Comparator.comparing(DeviceModel::address))
                .flatMap(function -> ports(function).stream())
                .toList();
    }

    @Override
    public void setLink(PciAddress physicalFunction, boolean up) {
        physicalFunctions()
                .filter(function -> function.address().equals(physicalFunction))
                .findFirst()
                .orElseThrow(() -> unknown(physicalFunction, "a network card"))
                .adapter()
                .setLink(up);
    }

    @Override
    public void reset(PciAddress virtualFunction) {
        virtualFunction(virtualFunction).function().resetByHost();
    }

    @Override
    public void logWrites(PciAddress virtualFunction, boolean log) {
        virtualFunction(virtualFunction).function().logWrites(log);
    }

    @Override
    public long[] takeWrittenPages(PciAddress virtualFunction) {
        return virtualFunction(virtualFunction).function().takeWrittenPages();
    }

    private static List<Port> ports(Xl710Pf function) {
        List<Port> ports = new ArrayList<>();
        for (PortStatus status : function.adapter().ports()) {
            Optional<PciAddress> virtual = status.number() == PortStatus.HOST
                    ? Optional.empty()
                    : Optional.of(Xl710Pf.virtualFunction(function.address(), status.number()));
            ports.add(new Port(
                    function.address(),
                    virtual,
                    function.adapter().isLinkUp(),
                    status.driver(),
                    status.addresses().stream().map(SimulatedNetworkCards::text).toList(),
                    promiscuous(status),
                    status.receiveQueues(),
                    status.transmitQueues(),
                    status.maliciousEvents(),
                    status.statistics()));
        }
        return ports;
    }

    private static Promiscuous promiscuous(PortStatus status) {
        if (status.unicastPromiscuous()) {
            return status.multicastPromiscuous() ? Promiscuous.ALL : Promiscuous.UNICAST;
        }
        return status.multicastPromiscuous() ? Promiscuous.MULTICAST : Promiscuous.OFF;
    }

    private static String text(long address) {
        return String.format(Locale.ROOT, "%012x", address).replaceAll("(..)(?=.)", "$1:");
    }

    private Stream<Xl710Pf> physicalFunctions() {
        return models(Xl710Pf.class);
    }

    private Xl710Vf virtualFunction(PciAddress address) {
        return models(Xl710Vf.class)
                .filter(function -> function.address().equals(address))
                .findFirst()
                .orElseThrow(() -> unknown(address, "a virtual function of a network card"));
    }

    private <M extends DeviceModel> Stream<M> models(Class<M> kind) {
        return bus.cards().stream()
                .flatMap(InsertedCard::models)
                .filter(kind::isInstance)
                .map(kind::cast);
    }

    private static VfioException unknown(PciAddress address, String wanted) {
        return new VfioException(
                Errno.ENODEV, address + " is not " + wanted + " on the simulated bus; sim:ports lists them");
    }
}
