package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A tracker that leaves out one of its rules is found out by the random moves: the test of {@link MigrationIT}.
 *
 * <p>Rules that make no difference here are left to the model of {@code mediate.i40e}, where a driver may do anything: ours posts the
 * same buffer to the same slot again, and the simulated function never has a payload without its descriptor.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class BrokenTrackersIT {
    private static final int RUNS = 40;

    private RuntimeProcess target;

    @BeforeAll
    void start() throws IOException {
        target = MigrationIT.start("target", "");
    }

    @AfterAll
    void stop() {
        if (target != null) {
            target.close();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "tails, ARM_SCAN",
        "tails, ENABLE_NOTES",
        "tails, POST_NOTES",
        "tails, RECEIVE_RING",
        "tails, TRANSMIT_RING",
        "tails, ARQ_RING",
        "tails, ARQ_BUFFERS",
        "tails, ATQ_RING",
        "interrupts, RECEIVE_RING",
        "interrupts, ARQ_BUFFERS"
    })
    void isFoundOut(String tracking, String rule) throws IOException {
        try (RuntimeProcess source = MigrationIT.start(
                "without-" + rule,
                "\"dirty.tracking\": \"%s\", \"tracking.rules.skipped\": [\"%s\"]".formatted(tracking, rule))) {
            Optional<AssertionError> found = Optional.empty();
            for (int seed = 1; seed <= RUNS && found.isEmpty(); seed++) {
                found = failure(seed, source);
            }
            assertThat(found)
                    .as("a move that fails without %s, of %d", rule, RUNS)
                    .isPresent();
        }
    }

    private Optional<AssertionError> failure(long seed, RuntimeProcess source) {
        try {
            new RandomMove(seed, source, target).run();
            return Optional.empty();
        } catch (AssertionError e) {
            return Optional.of(e);
        }
    }
}
