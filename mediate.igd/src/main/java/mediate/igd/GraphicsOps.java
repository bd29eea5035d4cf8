package mediate.igd;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediates;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciIds;

/** Accepts the graphics devices of a configurable list. Free-standing: it needs no other driver or device. */
@Component(
        configurationPid = "mediate.igd",
        property = {MediateOps.NAME + "=igd", MediateOps.SERVES + "=Intel graphics by id"})
@Mediates(vendor = "8086", classCode = "03")
@Designate(ocd = GraphicsOps.Configuration.class)
public final class GraphicsOps implements MediateOps {
    private static final int VENDOR = 0x8086;
    private static final int BASE_CLASS_DISPLAY = 0x03;

    /** Configuration of {@code mediate.igd}. */
    @ObjectClassDefinition(name = "Intel graphics mediation")
    @interface Configuration {
        /** Device ids, four hexadecimal digits each. */
        @AttributeDefinition(
                name = "Device ids",
                description = "PCI device ids to accept, four hexadecimal digits each")
        String[] device_ids() default {"5927", "193b"};
    }

    private final Set<String> deviceIds;

    /** Takes the list of ids. */
    @Activate
    public GraphicsOps(Configuration configuration) {
        deviceIds = Arrays.stream(configuration.device_ids())
                .map(id -> id.trim().toLowerCase(Locale.ROOT))
                .collect(Collectors.toUnmodifiableSet());
    }

    @Override
    public Decision open(MediationContext context) {
        PciIds ids = context.device().ids();
        if (ids.vendor() != VENDOR || ids.classCode() >>> 16 != BASE_CLASS_DISPLAY) {
            return Decision.decline(ids.id() + " is not an Intel graphics device");
        }
        if (!deviceIds.contains(PciIds.hex4(ids.device()))) {
            return Decision.decline(ids.id() + " is not in device.ids of mediate.igd");
        }
        Optional<HandOverState> left = context.handedOver();
        Optional<String> objection = left.flatMap(GraphicsState::objection);
        if (objection.isPresent()) {
            return Decision.decline(objection.get());
        }
        GraphicsState before = left.map(GraphicsState::decode).orElse(GraphicsState.NEW);
        return Decision.accept(new GraphicsMediation(context, before));
    }
}
