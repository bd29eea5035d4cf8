package vfio.pci.core;

import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import vfio.pci.core.HandOverModelRun.Action;
import vfio.pci.core.HandOverModelRun.Ending;
import vfio.pci.core.HandOverModelRun.Step;

/** Whatever several threads do to an open device at once, nothing about its mediations goes wrong. */
class HandOverModelTest {
    private static final int THREADS = 3;

    @Property(tries = 150, shrinking = ShrinkingMode.OFF)
    void nothingIsLostOrDoneTwice(@ForAll("scripts") List<List<Step>> scripts, @ForAll Ending otherwise) {
        new HandOverModelRun(otherwise).run(scripts);
    }

    @Provide
    Arbitrary<List<List<Step>>> scripts() {
        Arbitrary<Step> step = Combinators.combine(
                        Arbitraries.frequency(
                                Tuple.of(20, Action.LEAVE),
                                Tuple.of(20, Action.ARRIVE),
                                Tuple.of(5, Action.REBIND),
                                Tuple.of(5, Action.REBIND_TO),
                                Tuple.of(1, Action.CLOSE)),
                        Arbitraries.integers().between(0, HandOverModelRun.DRIVERS - 1))
                .as(Step::new);
        return step.list().ofMinSize(5).ofMaxSize(40).list().ofSize(THREADS);
    }
}
