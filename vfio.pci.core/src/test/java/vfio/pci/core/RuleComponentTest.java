package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an administrator configures: which rule is for which device, which one wins, and what cannot be. */
class RuleComponentTest {
    private final FakeFunction device = new FakeFunction(new FakeHardware());
    private final CapturedLog log = new CapturedLog();

    @AfterEach
    void close() {
        log.close();
    }

    @Test
    void withoutRulesAreTheDefaults() {
        assertThat(settings("i40e")).isEqualTo(DeviceSettings.DEFAULT);
        assertThat(settings("i40e", Map.of())).as("a rule that says nothing").isEqualTo(DeviceSettings.DEFAULT);
        assertThat(log.entries(Level.ALL)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            nullValues = "nobody",
            value = {
                "'', '', nobody, true",
                "'', '', i40e, true",
                "0000:03:02.0, '', nobody, true",
                "0000:03:02.1, '', i40e, false",
                "3:2.0, '', i40e, false",
                "8086:154c, '', i40e, true",
                "8086:1583, '', i40e, false",
                "'', i40e, i40e, true",
                "'', i40e, igd, false",
                "'', i40e, nobody, false",
                "8086:154c, i40e, i40e, true",
                "8086:154c, i40e, igd, false",
                "0000:03:02.1, i40e, i40e, false",
            })
    void aRuleIsForADeviceAndADriver(String wanted, String driver, @Nullable String mediator, boolean applies) {
        DeviceSettings settings = settings(mediator, Map.of("device", wanted, "driver", driver, "trap", "never"));

        assertThat(settings.trap()).isEqualTo(applies ? TrapPolicy.NEVER : TrapPolicy.DYNAMIC);
    }

    /** Each rule sets what those after it set too, and one thing more; the order in which they come does not matter. */
    @Test
    void aRuleForADeviceComesBeforeOneForADriverBeforeOneForAll() {
        List<Map<String, Object>> rules = new ArrayList<>(List.of(
                Map.of("trap_timeout", 1L, "successor_wait", 1L, "trap", "never", "successor_otherwise", "fail"),
                Map.of("driver", "i40e", "trap_timeout", 2L, "successor_wait", 2L, "trap", "always"),
                Map.of("device", "8086:154c", "trap_timeout", 3L, "successor_wait", 3L),
                Map.of("device", "0000:03:02.0", "driver", "i40e", "trap_timeout", 4L)));
        for (int turn = 0; turn < rules.size(); turn++) {
            Collections.rotate(rules, 1);

            assertThat(settings("i40e", rules))
                    .isEqualTo(
                            new DeviceSettings(TrapPolicy.ALWAYS, Duration.ofMillis(4), Duration.ofMillis(3), false));
        }
    }

    @ParameterizedTest
    @CsvSource({"always, ALWAYS", "dynamic, DYNAMIC", "never, NEVER", "Always, ALWAYS"})
    void howToTrap(String trap, TrapPolicy policy) {
        assertThat(settings(null, Map.of("trap", trap)).trap()).isEqualTo(policy);
        assertThat(log.entries(Level.ALL)).isEmpty();
    }

    @Test
    void howLongAClientMayTakeToUnmap() {
        assertThat(settings(null, Map.of("trap_timeout", 250L)).trapTimeout()).isEqualTo(Duration.ofMillis(250));
        assertThat(settings(null, Map.of("trap_timeout", 0L)).trapTimeout()).isZero();
    }

    @Test
    void whatBecomesOfADeviceWithoutSuccessor() {
        assertThat(settings(null, Map.of("successor_otherwise", "fail")).passThroughAfterwards())
                .isFalse();
        assertThat(settings(null, Map.of("successor_otherwise", "pass-through")).passThroughAfterwards())
                .isTrue();
    }

    /** VMMs give up soon after. */
    @Test
    void aSuccessorIsNotAwaitedForLongerThanVmmsWait() {
        assertThat(settings(null, Map.of("successor_wait", 4000L)).successorWait())
                .isEqualTo(Duration.ofSeconds(4));
        assertThat(log.entries(Level.ALL)).isEmpty();
        assertThat(settings(null, Map.of("successor_wait", 9000L)).successorWait())
                .isEqualTo(Duration.ofSeconds(4));
        assertThat(log.entries(Level.SEVERE))
                .singleElement()
                .asString()
                .matches("successor.wait .* is 9\\D?000; .* 4\\D?000 .*");
    }

    @ParameterizedTest
    @CsvSource({
        "trap, trap, sometimes, 'always, dynamic or never'",
        "successor_otherwise, successor.otherwise, panic, fail"
    })
    void aValueThatCannotBeIsReportedAndIgnored(String name, String property, String value, String allowed) {
        assertThat(settings(null, Map.of(name, value, "trap_timeout", 7L)))
                .isEqualTo(new DeviceSettings(
                        DeviceSettings.DEFAULT.trap(),
                        Duration.ofMillis(7),
                        DeviceSettings.DEFAULT.successorWait(),
                        DeviceSettings.DEFAULT.passThroughAfterwards()));
        assertThat(log.entries(Level.SEVERE))
                .singleElement()
                .asString()
                .contains(property + " of vfio.pci.core.rule is " + value, allowed);
    }

    private DeviceSettings settings(@Nullable String driver, Map<String, Object> rule) {
        return settings(driver, List.of(rule));
    }

    private DeviceSettings settings(@Nullable String driver) {
        return settings(driver, List.of());
    }

    private DeviceSettings settings(@Nullable String driver, List<Map<String, Object>> rules) {
        return RuleComponent.settings(
                rules.stream().map(RuleComponentTest::rule).toList(), device, driver);
    }

    /** What Declarative Services makes of a configuration: an annotation with the given values, defaults for the rest. */
    private static RuleComponent rule(Map<String, Object> values) {
        Class<RuleComponent.Configuration> type = RuleComponent.Configuration.class;
        return new RuleComponent(type.cast(Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (proxy, method, arguments) -> values.getOrDefault(method.getName(), method.getDefaultValue()))));
    }
}
