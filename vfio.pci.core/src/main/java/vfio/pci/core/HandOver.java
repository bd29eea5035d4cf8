package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.core.Departure.LostException;

/**
 * Who mediates one open device, from the choice at open through every hand-over to the end.
 *
 * <p>A hand-over holds the gate, waits for the calls inside, suspends and closes the mediation and asks for a successor. It
 * does not wait for one on the thread that takes the old driver away, because the new one is often registered by that very
 * thread: the gate stays held, and whoever registers next, or the time, ends it. One transition at a time. Each is bounded,
 * and what a vendor holds up beyond that costs the device, so that none is left in doubt.
 */
final class HandOver {
    private static final Logger LOGGER = System.getLogger(HandOver.class.getPackageName());

    private final PciDevice device;
    private final String user;
    private final Gate gate;
    private final Choice choice;
    private final Core core;
    private final Owner owner;
    private final Departure departure;
    private final Semaphore transition = new Semaphore(1, true);
    private volatile Layer layer;
    private volatile @Nullable Left awaiting;
    private volatile HandOverStatistics statistics = new HandOverStatistics(0, Duration.ZERO, Duration.ZERO);

    /** The open device whose mediation this is. */
    interface Owner {
        /** Why a layout does not fit to what the client knows. */
        Optional<String> objection(List<RegionInfo> offered);

        /** A layer is about to serve; the gate is held. */
        void adopt(Layer next);

        /** Takes the device from its user. */
        void fail(String reason);

        /** Pins the device to a driver. Returns false if the driver has left. */
        boolean pin(Mediator mediator);

        void unpin(Mediator mediator);
    }

    /**
     * What was left behind.
     *
     * @param from the driver; null if the device was passed through
     * @param state what the successor must know
     * @param deadline runs since the gate was held
     * @param verdicts of those that were asked to succeed, so far
     * @param cancel stops the clock, if one runs
     */
    private record Left(
            @Nullable Mediator from,
            Optional<HandOverState> state,
            Deadline deadline,
            List<Verdict> verdicts,
            Runnable cancel) {
        Left(@Nullable Mediator from, Optional<HandOverState> state, Deadline deadline) {
            this(from, state, deadline, new ArrayList<>(), () -> {});
        }

        Left until(Runnable canceller) {
            return new Left(from, state, deadline, verdicts, canceller);
        }

        String name() {
            return from == null ? "the device underneath" : from.name();
        }
    }

    HandOver(PciDevice device, String user, Gate gate, Choice choice, Core core, Owner owner) {
        this.device = device;
        this.user = user;
        this.gate = gate;
        this.choice = choice;
        this.core = core;
        this.owner = owner;
        departure = new Departure(device, core);
        layer = Layer.passThrough(choice.underneath());
    }

    Layer layer() {
        return layer;
    }

    /** The driver whose successor is awaited. */
    Optional<String> awaiting() {
        return Optional.ofNullable(awaiting).map(Left::name);
    }

    HandOverStatistics statistics() {
        return statistics;
    }

    /** The first choice: nobody uses the device yet. */
    Layer open() {
        List<Verdict> verdicts = new ArrayList<>();
        List<Mediator> asked = core.mediators().get();
        Duration limit = core.limits().vendor();
        Layer chosen = choice.first(asked, Inheritance.NONE, limit, verdicts);
        if (chosen == null && load(verdicts)) {
            List<Mediator> loaded = new ArrayList<>(core.mediators().get());
            loaded.removeAll(asked);
            chosen = choice.first(loaded, Inheritance.NONE, limit, verdicts);
        }
        if (chosen != null) {
            layer = chosen;
        }
        explain(verdicts, chosen == null ? "passed through: " + nobody(verdicts) : "mediated by " + name(chosen));
        return layer;
    }

    /** The device has got a user: from now on it is pinned to its driver. */
    void pin() {
        Mediator mediator = layer.mediator();
        if (mediator != null && !owner.pin(mediator)) {
            mediatorLeft(mediator);
        }
    }

    /** A driver's service goes: on return its mediation has been closed. */
    void mediatorLeft(Mediator mediator) {
        if (!begin()) {
            return;
        }
        try {
            if (layer.mediator() != mediator) {
                return;
            }
            Left left = suspend();
            if (left != null && !succeed(left, core.mediators().get())) {
                await(left);
            }
        } finally {
            end();
        }
    }

    /** A driver has been registered: if one is awaited, it is asked, on another thread. */
    void mediatorArrived(Mediator mediator) {
        // A transition that is on its way may be about to await somebody.
        if (awaiting != null || transition.availablePermits() == 0) {
            core.calls().soon(() -> askNewcomer(mediator));
        }
    }

    /** The administrator asks for a hand-over. */
    Explanation rebind(List<Mediator> candidates) {
        if (!begin()) {
            throw busy();
        }
        try {
            // Looked at only now: a transition that was on its way may have left the device waiting, with a state.
            if (awaiting != null) {
                throw busy();
            }
            Mediator before = layer.mediator();
            Left left = suspend();
            if (left == null) {
                throw new VfioException(
                        Errno.ENODEV, device.address() + " has been closed, or was failed on the way; see the log");
            }
            List<Mediator> all = new ArrayList<>(candidates);
            if (before != null && !all.contains(before)) {
                all.add(before);
            }
            if (succeed(left, all)) {
                return explanation(left.verdicts(), handedOver(left, layer));
            }
            if (before == null) {
                String outcome = "passed through as before: " + nobody(left.verdicts());
                serve(left, Layer.passThrough(choice.underneath()), outcome);
                return explanation(left.verdicts(), outcome);
            }
            // The driver it had may have left meanwhile; then whoever else there is, is better than nobody.
            List<Mediator> others = new ArrayList<>(core.mediators().get());
            others.removeAll(all);
            if (succeed(left, others)) {
                return explanation(left.verdicts(), handedOver(left, layer));
            }
            await(left);
            return explanation(left.verdicts(), "nobody took it from " + left.name() + ", not even itself");
        } finally {
            end();
        }
    }

    private VfioException busy() {
        return new VfioException(Errno.EBUSY, device.address() + " is being handed over already; look again later");
    }

    /** Ends the mediation for good; the gate is shut. */
    void close(boolean drained) {
        Left left = awaiting;
        if (left != null) {
            awaiting = null;
            left.cancel().run();
        }
        Layer ending = take();
        if (drained) {
            closeMediation(ending, new Deadline(core.limits().vendor()));
        } else {
            forget(ending);
        }
    }

    /** Begins a transition. Returns false if the one that is on its way does not end in time; it fails the device then. */
    boolean begin() {
        try {
            return transition.tryAcquire(2 * core.limits().vendor().toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    void end() {
        transition.release();
    }

    private boolean load(List<Verdict> verdicts) {
        Optional<DriverLoader> loader = core.loader().get();
        List<DriverLoader.Attempt> attempts =
                loader.map(present -> present.load(device)).orElse(List.of());
        attempts.forEach(attempt -> attempt.failure()
                .ifPresent(failure -> verdicts.add(new Verdict(attempt.bundle(), 0, -1, Answer.FAILED, failure))));
        return !attempts.isEmpty();
    }

    private void askNewcomer(Mediator mediator) {
        if (!begin()) {
            return;
        }
        try {
            Left left = awaiting;
            if (left != null) {
                succeed(left, List.of(mediator));
            }
        } finally {
            end();
        }
    }

    /** Holds the gate and takes the mediation away. Returns null if that cost the device, or it was closed. */
    private @Nullable Left suspend() {
        Deadline deadline = new Deadline(core.limits().vendor());
        boolean drained = gate.hold(core.limits().vendor());
        if (gate.isShut()) {
            return null;
        }
        Layer ending = take();
        Mediator mediator = ending.mediator();
        try {
            if (!drained) {
                throw new LostException(gate.report(core.limits().vendor()));
            }
            return new Left(
                    mediator,
                    mediator == null ? Optional.empty() : departure.suspendAndClose(mediator, ending, deadline),
                    deadline);
        } catch (LostException e) {
            owner.fail(e.reason());
            return null;
        } finally {
            forget(ending);
        }
    }

    /** Asks for a successor. Returns whether one has taken the device, or the device is lost. */
    private boolean succeed(Left left, List<Mediator> candidates) {
        Inheritance inheritance = new Inheritance(left.name(), left.state(), owner::objection);
        List<Mediator> remaining = candidates;
        while (!remaining.isEmpty()) {
            Layer next = choice.first(remaining, inheritance, left.deadline().remaining(), left.verdicts());
            if (next == null || next.mediator() == null) {
                break;
            }
            if (owner.pin(next.mediator())) {
                serve(left, next, handedOver(left, next));
                return true;
            }
            if (!closeMediation(next, left.deadline())) {
                return true;
            }
            remaining = remaining.subList(remaining.indexOf(next.mediator()) + 1, remaining.size());
        }
        return gate.isShut();
    }

    private void serve(Left left, Layer next, String outcome) {
        awaiting = null;
        left.cancel().run();
        owner.adopt(next);
        layer = next;
        Duration held = left.deadline().elapsed();
        HandOverStatistics before = statistics;
        statistics = new HandOverStatistics(
                before.count() + 1, held, held.compareTo(before.longest()) > 0 ? held : before.longest());
        explain(left.verdicts(), outcome);
        gate.release();
        LOGGER.log(Level.INFO, "{0}: {1} after {2} ms", device.address(), outcome, held.toMillis());
    }

    private void await(Left left) {
        Duration wait = core.stopping().getAsBoolean()
                ? Duration.ZERO
                : core.settings().of(device, left.name()).successorWait();
        Duration rest = wait.minus(left.deadline().elapsed());
        if (rest.isNegative() || rest.isZero()) {
            giveUp(left);
            return;
        }
        LOGGER.log(
                Level.INFO,
                "{0}: {1} has left; accesses wait up to {2} ms for its successor",
                device.address(),
                left.name(),
                wait.toMillis());
        explain(left.verdicts(), "waits for a successor of " + left.name());
        awaiting = left.until(core.calls().after(rest, this::expire));
    }

    private void expire() {
        if (!begin()) {
            return;
        }
        try {
            Left left = awaiting;
            if (left != null) {
                giveUp(left);
            }
        } finally {
            end();
        }
    }

    /** Nobody came in time. */
    private void giveUp(Left left) {
        awaiting = null;
        Optional<String> objection = owner.objection(choice.underneath());
        if (objection.isPresent()) {
            owner.fail(
                    left.name() + " has left without a successor, and it cannot be passed through: " + objection.get());
        } else if (!core.settings().of(device, left.name()).passThroughAfterwards()) {
            owner.fail(left.name() + " has left and no successor came in time; successor.otherwise is fail");
        } else {
            LOGGER.log(
                    core.stopping().getAsBoolean() ? Level.DEBUG : Level.WARNING,
                    "{0}: {1} has left; the device is passed through from now on{2}",
                    device.address(),
                    left.name(),
                    left.state().map(lost -> ", without what it left: " + lost).orElse(""));
            serve(left, Layer.passThrough(choice.underneath()), "passed through after " + left.name());
        }
    }

    /** Returns whether it came back; if not, the device is lost. */
    private boolean closeMediation(Layer ending, Deadline deadline) {
        try {
            if (ending.mediator() != null) {
                departure.close(ending.mediator(), ending, deadline);
            }
            return true;
        } catch (LostException e) {
            owner.fail(e.reason());
            return false;
        } finally {
            forget(ending);
        }
    }

    private Layer take() {
        Layer taken = layer;
        layer = Layer.passThrough(choice.underneath());
        return taken;
    }

    private void forget(Layer ended) {
        if (ended.context() != null) {
            ended.context().invalidate();
        }
        if (ended.mediator() != null) {
            owner.unpin(ended.mediator());
        }
    }

    private String nobody(List<Verdict> verdicts) {
        return verdicts.isEmpty()
                ? "no vendor driver is registered"
                : "nobody claimed " + device.ids().id();
    }

    private static String handedOver(Left left, Layer next) {
        return "handed over from " + left.name() + " to " + name(next);
    }

    private static String name(Layer layer) {
        return layer.mediator() == null
                ? "the device underneath"
                : layer.mediator().name();
    }

    private Explanation explanation(List<Verdict> verdicts, String outcome) {
        return new Explanation(device.address(), user, verdicts, outcome);
    }

    private void explain(List<Verdict> verdicts, String outcome) {
        core.explain().accept(explanation(verdicts, outcome));
    }
}
