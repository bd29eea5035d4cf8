package vfio.sim;

import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;

/** Puts QEMU's educational device on the simulated bus, one per configuration. */
@Component(
        configurationPid = EduComponent.PID,
        configurationPolicy = ConfigurationPolicy.REQUIRE,
        service = {})
@Designate(ocd = EduComponent.Configuration.class, factory = true)
public final class EduComponent {
    static final String PID = "vfio.sim.edu";

    /** Configuration of one educational device. */
    @ObjectClassDefinition(
            name = "Simulated educational device",
            description = "QEMU's edu device on the simulated PCI bus: registers, interrupts and DMA to test with")
    public @interface Configuration {
        /** Where the function sits. */
        @AttributeDefinition(name = "Address", description = "PCI address, for example 0000:00:04.0")
        String address();
    }

    private final InsertedCard card;

    @Activate
    public EduComponent(
            Configuration configuration, @Reference SimulatedBus bus, @Reference SharedMemory.Factory memory) {
        card = bus.insert(
                PID + " " + configuration.address(), () -> Card.edu(PciAddress.parse(configuration.address())), memory);
    }

    @Deactivate
    void deactivate() {
        card.close();
    }
}
