package vfio.pci.core;

import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import vfio.pci.core.HandOverModelRun.Action;
import vfio.pci.core.HandOverModelRun.Ending;

/** Whatever several threads do to an open device at once, no access and no mediation is lost, doubled or disturbed. */
class HandOverModelTest {
    private static final int THREADS = 3;

    @Property(tries = 150, shrinking = ShrinkingMode.OFF)
    void nothingGoesWrong(@ForAll("scripts") List<List<String>> scripts, @ForAll Ending ending) {
        new HandOverModelRun(ending.name()).accept(scripts);
    }

    @Property(tries = 100, shrinking = ShrinkingMode.OFF)
    void nothingGoesWrongWithInterruptedSteps(@ForAll("scripts") List<List<String>> scripts, @ForAll Ending ending)
            throws Exception {
        run(noisyRun(), ending, scripts);
    }

    /** Whoever arrives when the driver leaves is asked by it, or because it comes to wait. */
    @Example
    void noArrivalIsMissed() throws Exception {
        Constructor<?> noisy = noisyRun();
        for (int turn = 0; turn < 2000; turn++) {
            run(noisy, Ending.WAIT, List.of(List.of("LEAVE 0"), List.of("PAUSE " + turn % 100 * 100, "ARRIVE 1")));
        }
    }

    @Provide
    Arbitrary<List<List<String>>> scripts() {
        Arbitrary<Action> action = Arbitraries.frequency(
                Tuple.of(20, Action.LEAVE),
                Tuple.of(20, Action.ARRIVE),
                Tuple.of(5, Action.REBIND),
                Tuple.of(5, Action.REBIND_TO),
                Tuple.of(1, Action.CLOSE));
        return Combinators.combine(action, Arbitraries.integers().between(0, HandOverModelRun.DRIVERS - 1))
                .as((what, driver) -> what + " " + driver)
                .list()
                .ofMinSize(5)
                .ofMaxSize(40)
                .list()
                .ofSize(THREADS);
    }

    /** The run in a world where those who take part in a hand-over lose the processor all the time. */
    private static Constructor<?> noisyRun() throws Exception {
        Constructor<?> run = RaceNoise.among(
                        HandOverModelRun.class,
                        Files.createDirectories(Path.of("target", "races", "noisy-hand-over")),
                        Gate.class,
                        HandOver.class,
                        MediatedDevice.class,
                        Mediator.class,
                        VendorCalls.class)
                .getDeclaredConstructor(String.class);
        run.setAccessible(true);
        return run;
    }

    @SuppressWarnings("unchecked")
    private static void run(Constructor<?> run, Ending ending, List<List<String>> scripts) throws Exception {
        ((Consumer<List<List<String>>>) run.newInstance(ending.name())).accept(scripts);
    }
}
