package mediate.i40e;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.pci.PciDevice;

/**
 * The probe and remove of the driver: for each XL710 physical function that is present, one offer to mediate its virtual
 * functions, for as long as it is present.
 */
@Component(
        service = {},
        configurationPid = "mediate.i40e")
@Designate(ocd = PhysicalFunctions.Configuration.class)
public final class PhysicalFunctions {
    /** Device ids of the XL710 family, as listed by the Linux i40e driver. */
    private static final Set<Integer> DEVICE_IDS = Set.of(
            0x1572, 0x1574, 0x1580, 0x1581, 0x1583, 0x1584, 0x1585, 0x1586, 0x1587, 0x1588, 0x1589, 0x158a, 0x158b);

    /** Configuration of {@code mediate.i40e}. */
    @ObjectClassDefinition(name = "XL710 VF mediation")
    @interface Configuration {
        /** How it is found out which memory a function writes. */
        @AttributeDefinition(
                name = "Dirty tracking",
                description = "tails: the tails of queues are trapped; interrupts: the client's interrupts are relayed")
        String dirty_tracking() default "tails";

        /** The migration region that clients see. */
        @AttributeDefinition(name = "Migration region", description = "none, linux-5.8 or proposal-2019")
        String migration_region() default "none";

        /** Whether clients may map the data section of the migration region. */
        @AttributeDefinition(
                name = "Mappable migration region",
                description =
                        "costs QEMU its posted writes; a driver whose memory a client has mapped cannot be replaced")
        boolean migration_region_mmap() default false;

        /** Names of {@link TrackingRule}s that trackers leave out, for tests of tests: memory is lost then. */
        @AttributeDefinition(name = "Skipped rules", description = "for tests only: dirty pages get lost")
        String[] tracking_rules_skipped() default {};
    }

    private final BundleContext context;
    private final Settings settings;
    private final Map<PciDevice, ServiceRegistration<MediateOps>> offers = new ConcurrentHashMap<>();

    /**
     * Functions are added by {@link #addFunction}.
     *
     * @param memory makes what clients may map; needed only if they may
     * @throws IllegalArgumentException if the configuration says what cannot be
     */
    @Activate
    public PhysicalFunctions(
            BundleContext context,
            @Reference(cardinality = ReferenceCardinality.OPTIONAL, policyOption = ReferencePolicyOption.GREEDY)
                    SharedMemory.@Nullable Factory memory,
            Configuration configuration) {
        this.context = context;
        settings = Settings.of(configuration, Optional.ofNullable(memory));
    }

    @Reference(
            target = "(&(" + PciDevice.VENDOR + "=8086)(!(" + PciDevice.PHYSICAL_FUNCTION + "=*)))",
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            unbind = "removeFunction")
    void addFunction(PciDevice function) {
        if (!DEVICE_IDS.contains(function.ids().device())) {
            return;
        }
        Map<String, Object> properties =
                Map.of(MediateOps.NAME, "i40e", MediateOps.SERVES, "VFs of " + function.address());
        offers.put(
                function,
                context.registerService(
                        MediateOps.class,
                        new VirtualFunctionOps(function.address(), settings),
                        FrameworkUtil.asDictionary(properties)));
    }

    void removeFunction(PciDevice function) {
        ServiceRegistration<MediateOps> offer = offers.remove(function);
        if (offer != null) {
            offer.unregister();
        }
    }
}
