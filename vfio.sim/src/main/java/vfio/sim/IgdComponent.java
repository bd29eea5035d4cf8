package vfio.sim;

import java.util.regex.Pattern;
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

/** Puts integrated graphics on the simulated bus, one per configuration. */
@Component(
        configurationPid = IgdComponent.PID,
        configurationPolicy = ConfigurationPolicy.REQUIRE,
        service = {})
@Designate(ocd = IgdComponent.Configuration.class, factory = true)
public final class IgdComponent {
    static final String PID = "vfio.sim.igd";

    private static final Pattern DEVICE_ID = Pattern.compile("[0-9a-fA-F]{4}");
    private static final int MAXIMUM_APERTURE = 1024;

    /** Configuration of one graphics device. */
    @ObjectClassDefinition(
            name = "Simulated Intel integrated graphics",
            description = "A graphics device on the simulated PCI bus")
    public @interface Configuration {
        /** Where the function sits. */
        @AttributeDefinition(name = "Address", description = "PCI address, for example 0000:00:02.0")
        String address();

        /** Its device id. */
        @AttributeDefinition(name = "Device id", description = "Four hexadecimal digits, for example 5927")
        String device() default "5927";

        /** The size of its aperture. */
        @AttributeDefinition(
                name = "Aperture",
                description =
                        "Size of BAR2 in MiB, a power of two from 1 to 1024. Only pages that are touched take memory")
        int aperture() default 256;
    }

    private final InsertedCard card;

    @Activate
    public IgdComponent(
            Configuration configuration, @Reference SimulatedBus bus, @Reference SharedMemory.Factory memory) {
        card = bus.insert(PID + " " + configuration.address(), () -> card(configuration), memory);
    }

    @Deactivate
    void deactivate() {
        card.close();
    }

    private static Card card(Configuration configuration) {
        PciAddress address = PciAddress.parse(configuration.address());
        String device = configuration.device();
        if (!DEVICE_ID.matcher(device).matches()) {
            throw new IllegalArgumentException("device is '" + device + "'; write four hexadecimal digits like 5927");
        }
        int aperture = configuration.aperture();
        if (aperture < 1 || aperture > MAXIMUM_APERTURE || Integer.bitCount(aperture) != 1) {
            throw new IllegalArgumentException(
                    "aperture is " + aperture + " MiB; it must be a power of two from 1 to " + MAXIMUM_APERTURE);
        }
        return Card.igd(address, Integer.parseInt(device, 16), (long) aperture << 20);
    }
}
