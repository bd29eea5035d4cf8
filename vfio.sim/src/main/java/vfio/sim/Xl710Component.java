package vfio.sim;

import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.PacketPort;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/** Puts an XL710 with its virtual functions on the simulated bus, one per configuration. */
@Component(
        configurationPid = Xl710Component.PID,
        configurationPolicy = ConfigurationPolicy.REQUIRE,
        service = {})
@Designate(ocd = Xl710Component.Configuration.class, factory = true)
public final class Xl710Component {
    static final String PID = "vfio.sim.xl710";

    /** Configuration of one XL710. */
    @ObjectClassDefinition(
            name = "Simulated Intel XL710",
            description = "A network card on the simulated PCI bus: one physical function and its virtual functions")
    public @interface Configuration {
        /** Where the physical function sits. */
        @AttributeDefinition(
                name = "Address",
                description = "PCI address of the physical function, for example 0000:03:00.0. The virtual functions"
                        + " follow at routing id +16, +17 and so on: 0000:03:02.0, 0000:03:02.1")
        String address();

        /** How many virtual functions it has. */
        @AttributeDefinition(
                name = "Virtual functions",
                description = "How many virtual functions the card has, 0 to 32",
                min = "0",
                max = "32")
        int vfs() default 2;

        /** How many queue pairs a virtual function has. */
        @AttributeDefinition(
                name = "Queue pairs",
                description = "How many queue pairs each virtual function has, 1 to 16",
                min = "1",
                max = "16")
        int queues() default 4;

        /** Whether registers may be mapped. */
        @AttributeDefinition(
                name = "Map registers",
                description =
                        "Whether the pages of BAR0 that allow it may be mapped by clients. If not, every access is"
                                + " trapped")
        boolean mmap() default true;

        /** The TAP interface of the host port. */
        @AttributeDefinition(
                name = "Host port",
                description =
                        "Name of a TAP interface of the host that is plugged into the card's switch; it is created if it"
                                + " does not exist. Empty for none",
                required = false)
        String host_port() default "";
    }

    private final InsertedCard card;

    @Activate
    public Xl710Component(
            Configuration configuration,
            @Reference SimulatedBus bus,
            @Reference SharedMemory.Factory memory,
            @Reference(cardinality = ReferenceCardinality.OPTIONAL) PacketPort.@Nullable Factory ports) {
        card = bus.insert(PID + " " + configuration.address(), () -> card(configuration, ports), memory);
    }

    @Deactivate
    void deactivate() {
        card.close();
    }

    private static Optional<Supplier<PacketPort>> hostPort(String name, PacketPort.@Nullable Factory ports) {
        if (name.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(() -> {
            if (ports == null) {
                throw new VfioException(
                        Errno.EOPNOTSUPP, "nobody opens host ports: is the bundle vfio.linux active? See felix:lb");
            }
            return ports.open(name);
        });
    }

    private static Card card(Configuration configuration, PacketPort.@Nullable Factory ports) {
        PciAddress address = PciAddress.parse(configuration.address());
        int vfs = configuration.vfs();
        if (vfs < 0 || vfs > Xl710Pf.MAXIMUM_VFS) {
            throw new IllegalArgumentException(
                    "vfs is " + vfs + "; it must be 0 to " + Xl710Pf.MAXIMUM_VFS + " for an XL710");
        }
        return Card.xl710(
                address,
                vfs,
                new Xl710Options(
                        configuration.queues(), configuration.mmap(), hostPort(configuration.host_port(), ports)));
    }
}
