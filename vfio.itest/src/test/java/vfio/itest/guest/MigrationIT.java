package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LongSummaryStatistics;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Virtual functions under traffic go from one runtime to another, which is another process. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(300)
class MigrationIT {
    private static final Logger LOGGER = System.getLogger(MigrationIT.class.getName());

    /** Each run says its seed if it fails; {@code -Dmigration.seed=N} begins with another one. */
    private static final long FIRST_SEED = Long.getLong("migration.seed", 1);

    private static final int RUNS = 50;

    private final LongSummaryStatistics[] tailsPrecision = {new LongSummaryStatistics(), new LongSummaryStatistics()};
    private final LongSummaryStatistics[] interruptsPrecision = {
        new LongSummaryStatistics(), new LongSummaryStatistics()
    };

    private RuntimeProcess tails;
    private RuntimeProcess interrupts;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> tails);

    @BeforeAll
    void start() throws IOException {
        tails = start("tails", "");
        interrupts = start("interrupts", "\"dirty.tracking\": \"interrupts\"");
    }

    @AfterAll
    void stop() {
        report("tails", tailsPrecision);
        report("interrupts", interruptsPrecision);
        Stream.of(tails, interrupts).forEach(runtime -> {
            if (runtime != null) {
                runtime.close();
            }
        });
    }

    private static void report(String tracking, LongSummaryStatistics... pages) {
        LOGGER.log(
                Level.INFO,
                "{0}: {1} pages reported, {2} written, each once for each report",
                tracking,
                pages[0].getSum(),
                pages[1].getSum());
    }

    static LongStream seeds() {
        return LongStream.range(FIRST_SEED, FIRST_SEED + RUNS);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void movesWithTailsTrapped(long seed) {
        precision(tailsPrecision, new RandomMove(seed, tails, interrupts));
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void movesWithInterruptsRelayed(long seed) {
        precision(interruptsPrecision, new RandomMove(seed, interrupts, tails));
    }

    private static void precision(LongSummaryStatistics[] pages, RandomMove move) {
        move.run();
        pages[0].accept(move.reported());
        pages[1].accept(move.written());
    }

    @Test
    void runtimesSawNoError() {
        assertThat(tails.errors()).isEmpty();
        assertThat(interrupts.errors()).isEmpty();
    }

    static RuntimeProcess start(String name, String tracking) throws IOException {
        Path etc = Places.emptyFolder("etc", "MigrationIT-" + name);
        Files.writeString(etc.resolve("bus.json"), """
                {
                  ":configurator:resource-version": 1,
                  ":configurator:symbolic-name": "vfio.itest.migration",
                  ":configurator:version": "1.0.0",
                  "mediate.i40e": { %s },
                  "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 4 }
                }
                """.formatted(tracking));
        return RuntimeProcess.start("MigrationIT-" + name, etc);
    }
}
