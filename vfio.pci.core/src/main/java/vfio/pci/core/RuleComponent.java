package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.pci.api.pci.PciDevice;

/** Settings for some devices, or the devices of some driver; one per configuration. */
@Component(
        service = RuleComponent.class,
        configurationPid = RuleComponent.PID,
        configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = RuleComponent.Configuration.class, factory = true)
public final class RuleComponent {
    static final String PID = "vfio.pci.core.rule";

    private static final Logger LOGGER = System.getLogger(RuleComponent.class.getPackageName());

    /** Configuration of one rule. What is left out is left to less specific rules, then to the defaults. */
    @ObjectClassDefinition(name = "Mediation rule", description = "How devices are trapped and handed over")
    @interface Configuration {
        /** Which device. */
        @AttributeDefinition(
                name = "Device",
                description = "Address or vendor:device id of the devices it is for; empty for all")
        String device() default "";

        /** Which driver. */
        @AttributeDefinition(name = "Driver", description = "Name of the driver whose devices it is for; empty for all")
        String driver() default "";

        /** How disablable areas are offered. */
        @AttributeDefinition(name = "Trap", description = "always, dynamic or never; dynamic if nothing says otherwise")
        String trap() default "";

        /** How long a client may take to unmap. */
        @AttributeDefinition(
                name = "Trap timeout",
                description = "Milliseconds a client may take to confirm a trap; 1000 if nothing says otherwise")
        long trap_timeout() default -1;

        /** How long a successor is awaited. */
        @AttributeDefinition(
                name = "Wait for a successor",
                description = "Milliseconds that accesses wait for a successor of a driver that has left, 0 to 4000;"
                        + " 4000 if nothing says otherwise")
        long successor_wait() default -1;

        /** What happens if none comes. */
        @AttributeDefinition(
                name = "Without successor",
                description = "pass-through or fail; pass-through if nothing says otherwise")
        String successor_otherwise() default "";
    }

    private final Configuration configuration;
    private final @Nullable TrapPolicy trap;
    private final @Nullable Boolean passThroughAfterwards;

    /** Reads the configuration; a value that cannot be is reported and left out. */
    @Activate
    public RuleComponent(Configuration configuration) {
        this.configuration = configuration;
        trap = parsed(
                "trap", configuration.trap(), "always, dynamic or never", text -> Arrays.stream(TrapPolicy.values())
                        .filter(policy -> policy.name().toLowerCase(Locale.ROOT).equals(text))
                        .findFirst());
        passThroughAfterwards = parsed(
                "successor.otherwise",
                configuration.successor_otherwise(),
                "pass-through or fail",
                text -> switch (text) {
                    case "pass-through" -> Optional.of(true);
                    case "fail" -> Optional.of(false);
                    default -> Optional.empty();
                });
        if (configuration.successor_wait() > DeviceSettings.SUCCESSOR_WAIT_MAXIMUM.toMillis()) {
            LOGGER.log(
                    Level.ERROR,
                    "successor.wait of {0} is {1}; it may be {2} at most, since VMMs give up after 5000, and that is used",
                    PID,
                    configuration.successor_wait(),
                    DeviceSettings.SUCCESSOR_WAIT_MAXIMUM.toMillis());
        }
    }

    /**
     * What these rules say of a device, over the defaults. A rule for a device comes before one for a driver, and both before
     * one for all.
     *
     * @param driver who mediates it; null if nobody does
     */
    static DeviceSettings settings(Collection<RuleComponent> rules, PciDevice device, @Nullable String driver) {
        DeviceSettings settings = DeviceSettings.DEFAULT;
        List<RuleComponent> matching = rules.stream()
                .filter(rule -> rule.matches(device, driver))
                .sorted(Comparator.comparingInt(RuleComponent::precision))
                .toList();
        for (RuleComponent rule : matching) {
            settings = rule.over(settings);
        }
        return settings;
    }

    private boolean matches(PciDevice device, @Nullable String driver) {
        String wanted = configuration.device();
        return (wanted.isEmpty()
                        || wanted.equals(device.address().toString())
                        || wanted.equals(device.ids().id()))
                && (configuration.driver().isEmpty() || configuration.driver().equals(driver));
    }

    private int precision() {
        return (configuration.device().isEmpty() ? 0 : 2)
                + (configuration.driver().isEmpty() ? 0 : 1);
    }

    private DeviceSettings over(DeviceSettings others) {
        return new DeviceSettings(
                trap == null ? others.trap() : trap,
                configuration.trap_timeout() < 0
                        ? others.trapTimeout()
                        : Duration.ofMillis(configuration.trap_timeout()),
                configuration.successor_wait() < 0
                        ? others.successorWait()
                        : Duration.ofMillis(Math.min(
                                configuration.successor_wait(), DeviceSettings.SUCCESSOR_WAIT_MAXIMUM.toMillis())),
                passThroughAfterwards == null ? others.passThroughAfterwards() : passThroughAfterwards);
    }

    private interface Parser<T> {
        Optional<T> parse(String text);
    }

    private static <T> @Nullable T parsed(String property, String text, String allowed, Parser<T> parser) {
        if (text.isEmpty()) {
            return null;
        }
        Optional<T> value = parser.parse(text.toLowerCase(Locale.ROOT));
        if (value.isEmpty()) {
            LOGGER.log(Level.ERROR, "{0} of {1} is {2}; it must be {3}, and is ignored", property, PID, text, allowed);
        }
        return value.orElse(null);
    }
}
