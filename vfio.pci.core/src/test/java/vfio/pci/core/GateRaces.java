package vfio.pci.core;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import java.time.Duration;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * What the gate promises, as races that are run very often by {@link GateRaceTest}. Every outcome that is not named is
 * forbidden, and so is an actor that never returns.
 *
 * <p>Of those in line, all are counted by the one step that opens the gate; which of them runs first nobody can tell. So
 * what a newcomer can see of "those in line first" is that a hold after the release waits for them.
 */
public final class GateRaces {
    /** Much longer than any step takes: who waits that long was forgotten. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private GateRaces() {}

    /** A gate, and traces by which each side finds the other where it must not be. */
    static class Observed {
        final Gate gate = new Gate();

        /** Whether somebody is inside. Of two, the first to leave clears it; so it may miss one, but never sees a ghost. */
        volatile int inside;

        /** Whether somebody has been told that nobody is inside. */
        volatile int alone;

        /** Written plainly, so that only the gate makes it visible. */
        int first;

        int second;

        /** Passes; tells whether somebody was alone meanwhile. */
        int pass() {
            gate.enter();
            inside = 1;
            RaceNoise.perhaps();
            int seen = alone;
            inside = 0;
            gate.exit();
            return seen;
        }

        /** Looks whether somebody is inside, being alone. */
        int look() {
            alone = 1;
            RaceNoise.perhaps();
            int seen = inside;
            alone = 0;
            return seen;
        }

        /** Tells 1 if inside in time, 2 if refused, 3 if inside when nobody may be. */
        int passOrBeRefused() {
            try {
                return pass() == 0 ? 1 : 3;
            } catch (VfioException e) {
                return e.errno() == Errno.ENODEV ? 2 : 4;
            }
        }
    }

    /** A hold that has no patience either comes too late or finds nobody, and then nobody comes. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "somebody was inside: not held in time")
    @Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "held while nobody was inside")
    @State
    public static class EnterOrHold extends Observed {
        @Actor
        public void caller(II_Result result) {
            result.r1 = pass();
        }

        @Actor
        public void holder(II_Result result) {
            if (gate.hold(Duration.ZERO)) {
                result.r2 = 1 + look();
            }
            gate.release();
        }
    }

    /** Two callers, and two holds one after the other: each finds the gate empty, and each caller gets through. */
    @JCStressTest
    @Outcome(id = "0, 0, 0", expect = ACCEPTABLE, desc = "both holds ended, with nobody inside")
    @State
    public static class HoldReleaseHold extends Observed {
        @Actor
        public void caller(III_Result result) {
            result.r1 = passTwice();
        }

        @Actor
        public void anotherCaller(III_Result result) {
            result.r2 = passTwice();
        }

        @Actor
        public void holder(III_Result result) {
            result.r3 = hold() + hold();
        }

        private int passTwice() {
            return pass() + pass();
        }

        private int hold() {
            awaitAlone(gate::hold);
            int seen = look();
            gate.release();
            return seen;
        }
    }

    /** What a holder wrote is seen by whoever comes in later. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "inside before the hold")
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "inside after the hold")
    @State
    public static class WhatTheHolderWrote extends Observed {
        @Actor
        public void caller(II_Result result) {
            gate.enter();
            result.r1 = first;
            result.r2 = second;
            gate.exit();
        }

        @Actor
        public void holder() {
            awaitAlone(gate::hold);
            first = 1;
            second = 1;
            gate.release();
        }
    }

    /** What those inside wrote is seen by who holds the gate after them. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "held before the caller came in")
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "held after the caller had left")
    @State
    public static class WhatTheCallerWrote extends Observed {
        @Actor
        public void caller() {
            gate.enter();
            first = 1;
            second = 1;
            gate.exit();
        }

        @Actor
        public void holder(II_Result result) {
            awaitAlone(gate::hold);
            result.r1 = first;
            result.r2 = second;
            gate.release();
        }
    }

    /** A hold does not miss that the last one leaves. */
    @JCStressTest
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "the hold learned that nobody is inside any more")
    @State
    public static class ExitOrHold {
        private final Gate gate = inside(1);

        @Actor
        public void leaver() {
            gate.exit();
        }

        @Actor
        public void holder(I_Result result) {
            awaitAlone(gate::hold);
            result.r1 = 1;
        }
    }

    /** Of two who leave at the same time, one is the last. */
    @JCStressTest
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "the hold learned that nobody is inside any more")
    @State
    public static class TwoLeaveOrHold {
        private final Gate gate = inside(2);

        @Actor
        public void leaver() {
            gate.exit();
        }

        @Actor
        public void anotherLeaver() {
            gate.exit();
        }

        @Actor
        public void holder(I_Result result) {
            awaitAlone(gate::hold);
            result.r1 = 1;
        }
    }

    /** Whoever waits for the last one to leave is told, a holder as well as a closer. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "both learned that nobody is inside any more")
    @State
    public static class ExitOrHoldOrShut {
        private final Gate gate = inside(1);

        @Actor
        public void leaver() {
            gate.exit();
        }

        @Actor
        public void holder(II_Result result) {
            awaitAlone(gate::hold);
            result.r1 = 1;
        }

        @Actor
        public void closer(II_Result result) {
            awaitAlone(patience -> gate.shut("closed", patience));
            result.r2 = 1;
        }
    }

    /** A newcomer at a held gate does not miss that it is released. */
    @JCStressTest
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "the newcomer came in, and has left")
    @State
    public static class EnterOrRelease {
        private final Gate gate = held();

        @Actor
        public void newcomer() {
            gate.enter();
            gate.exit();
        }

        @Actor
        public void holder() {
            gate.release();
        }

        @Arbiter
        public void afterwards(I_Result result) {
            result.r1 = gate.hold(Duration.ZERO) ? 1 : 0;
        }
    }

    /** Of several newcomers at a held gate, none is forgotten. */
    @JCStressTest
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "both came in, and have left")
    @State
    public static class TwoEnterOrRelease {
        private final Gate gate = held();

        @Actor
        public void newcomer() {
            gate.enter();
            gate.exit();
        }

        @Actor
        public void anotherNewcomer() {
            gate.enter();
            gate.exit();
        }

        @Actor
        public void holder() {
            gate.release();
        }

        @Arbiter
        public void afterwards(I_Result result) {
            result.r1 = gate.hold(Duration.ZERO) ? 1 : 0;
        }
    }

    /** Those in line count as inside when the release returns: a hold that comes next waits until they have left. */
    @JCStressTest
    @Outcome(id = "1", expect = ACCEPTABLE, desc = "the second hold ended after the one in line had passed")
    @State
    public static class ReleaseThenHold {
        private final Gate gate = held();
        private volatile int passed;
        private volatile @Nullable Thread newcomer;

        @Actor
        public void newcomer() {
            newcomer = Thread.currentThread();
            gate.enter();
            passed = 1;
            gate.exit();
        }

        @Actor
        public void holder(I_Result result) {
            Thread inLine = newcomer;
            while (inLine == null || inLine.getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
                inLine = newcomer;
            }
            gate.release();
            awaitAlone(gate::hold);
            result.r1 = passed;
            gate.release();
        }
    }

    /** Whoever comes while the device is being closed is inside before, or refused. */
    @JCStressTest
    @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "inside, and out again when the gate was shut")
    @Outcome(id = "2, 0", expect = ACCEPTABLE, desc = "refused")
    @State
    public static class EnterOrShut extends Observed {
        @Actor
        public void caller(II_Result result) {
            result.r1 = passOrBeRefused();
        }

        @Actor
        public void closer(II_Result result) {
            awaitAlone(patience -> gate.shut("closed", patience));
            alone = 1;
            RaceNoise.perhaps();
            result.r2 = inside;
        }
    }

    /** Whoever waits while the gate is released and shut at the same time gets in before, or is refused; nobody waits on. */
    @JCStressTest
    @Outcome(id = "1, 0, 1", expect = ACCEPTABLE, desc = "let in, and out again when the gate was shut")
    @Outcome(id = "2, 0, 1", expect = ACCEPTABLE, desc = "refused")
    @State
    public static class ReleaseOrShut extends Observed {
        public ReleaseOrShut() {
            gate.hold(Duration.ZERO);
        }

        @Actor
        public void newcomer(III_Result result) {
            result.r1 = passOrBeRefused();
        }

        @Actor
        public void holder() {
            gate.release();
        }

        @Actor
        public void closer(III_Result result) {
            awaitAlone(patience -> gate.shut("closed", patience));
            alone = 1;
            RaceNoise.perhaps();
            result.r2 = inside;
        }

        @Arbiter
        public void afterwards(III_Result result) {
            result.r3 = gate.isShut() && gate.hold(Duration.ZERO) ? 1 : 0;
        }
    }

    /** A wait that was forgotten ends too, but late. */
    private static void awaitAlone(Predicate<Duration> wait) {
        long since = System.nanoTime();
        if (!wait.test(PATIENCE) || System.nanoTime() - since >= PATIENCE.toNanos()) {
            throw new AssertionError("nobody said that the last one had left");
        }
    }

    private static Gate held() {
        Gate gate = new Gate();
        gate.hold(Duration.ZERO);
        return gate;
    }

    private static Gate inside(int callers) {
        Gate gate = new Gate();
        for (int caller = 0; caller < callers; caller++) {
            gate.enter();
        }
        return gate;
    }
}
