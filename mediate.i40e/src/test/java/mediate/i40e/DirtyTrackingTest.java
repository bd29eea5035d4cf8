package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** That trackers miss no page of a function that does things at random; and that this is found out if a rule is left out. */
class DirtyTrackingTest {
    /** A run with many takes minutes: {@code -Dtracking.seeds=20000}. */
    private static final int SEEDS = Integer.getInteger("tracking.seeds", 400);

    /** So many may it take to show that a rule is needed. */
    private static final int SEEDS_MAXIMUM = 1500;

    private static final Set<TrackingRule> ALL = EnumSet.allOf(TrackingRule.class);
    private static final Set<TrackingRule> INTERRUPTS_ONLY =
            EnumSet.of(TrackingRule.HEAD_MOVED, TrackingRule.LATE_LOOK);

    /** What was posted before a queue was enabled and is not noted counts as used too early by the tracker that follows interrupts. */
    private static final Set<TrackingRule> TAILS_ONLY = EnumSet.of(
            TrackingRule.POST_MARKS, TrackingRule.POST_MARKS_AT_TAIL, TrackingRule.ENABLE_NOTES, TrackingRule.DONE);

    static Stream<TrackingRule> rulesForTails() {
        return EnumSet.complementOf(EnumSet.copyOf(INTERRUPTS_ONLY)).stream();
    }

    static Stream<TrackingRule> rulesForInterrupts() {
        return EnumSet.complementOf(EnumSet.copyOf(TAILS_ONLY)).stream();
    }

    @ParameterizedTest
    @EnumSource(Settings.Tracking.class)
    void noPageIsMissed(Settings.Tracking tracking) {
        for (long seed = 0; seed < SEEDS; seed++) {
            run(tracking, ALL, seed);
        }
    }

    /** Else all would be dirty, and nothing shown. */
    @Test
    void theDriverThatBehavesGivesTheTailsTrackerNoDoubt() {
        for (long seed = 0; seed < SEEDS; seed++) {
            try (ModelFunction function = new ModelFunction(seed, settings(Settings.Tracking.TAILS, ALL))) {
                function.run(60, 60);
                assertThat(function.logged()).as("seed " + seed).isEmpty();
                assertThat(function.counter("tracking.doubts")).isZero();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("rulesForTails")
    void tailsNeedEveryRule(TrackingRule rule) {
        assertMisses(Settings.Tracking.TAILS, rule);
    }

    @ParameterizedTest
    @MethodSource("rulesForInterrupts")
    void interruptsNeedEveryRule(TrackingRule rule) {
        assertMisses(Settings.Tracking.INTERRUPTS, rule);
    }

    private static void assertMisses(Settings.Tracking tracking, TrackingRule rule) {
        EnumSet<TrackingRule> rules = EnumSet.complementOf(EnumSet.of(rule));
        Optional<Long> seed = Stream.iterate(0L, one -> one + 1)
                .limit(SEEDS_MAXIMUM)
                .filter(one -> misses(tracking, rules, one))
                .findFirst();
        assertThat(seed).as("a seed that shows that " + rule + " is needed").isPresent();
    }

    private static boolean misses(Settings.Tracking tracking, Set<TrackingRule> rules, long seed) {
        try {
            run(tracking, rules, seed);
            return false;
        } catch (AssertionError e) {
            return true;
        }
    }

    private static void run(Settings.Tracking tracking, Set<TrackingRule> rules, long seed) {
        try (ModelFunction function = new ModelFunction(seed, settings(tracking, rules))) {
            function.run(60, 60);
        } catch (AssertionError e) {
            throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
        }
    }

    private static Settings settings(Settings.Tracking tracking, Set<TrackingRule> rules) {
        return new Settings(tracking, Optional.empty(), rules);
    }
}
