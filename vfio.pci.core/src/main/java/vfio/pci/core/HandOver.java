package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.core.Deadline.Step;
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
    private final Transition transition;
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

    HandOver(PciDevice device, String user, Gate gate, Choice choice, Core core, Owner owner) {
        this.device = device;
        this.user = user;
        this.gate = gate;
        this.choice = choice;
        this.core = core;
        this.owner = owner;
        departure = new Departure(device, core);
        transition = new Transition(core.limits().vendor().multipliedBy(2));
        layer = Layer.passThrough(choice.underneath());
    }

    Layer layer() {
        return layer;
    }

    /** The driver whose successor is awaited. */
    Optional<String> awaiting() {
        return Optional.ofNullable(awaiting).map(Left::name);
    }

    Transition transition() {
        return transition;
    }

    HandOverStatistics statistics() {
        return statistics;
    }

    /** The first choice: nobody uses the device yet. */
    Layer open() {
        List<Verdict> verdicts = new ArrayList<>();
        List<Mediator> asked = core.mediators().get();
        Deadline deadline = new Deadline(core.limits().vendor());
        Layer chosen = choice.first(asked, Inheritance.NONE, deadline.remaining(Step.FIRST_CHOICE), verdicts);
        if (chosen == null) {
            load(deadline.remaining(Step.LOAD), verdicts);
            // Whoever has come since: the opening of another device may have loaded it.
            List<Mediator> loaded = others(asked);
            chosen = choice.first(loaded, Inheritance.NONE, deadline.remaining(Step.SUCCESSOR), verdicts);
        }
        if (chosen != null) {
            layer = chosen;
        }
        explain(verdicts, chosen == null ? "passed through: " + nobody(verdicts) : "mediated by " + chosen.name());
        return layer;
    }

    /** The device has got a user: from now on it is pinned to its driver. */
    void pin() {
        transit(() -> {
            Mediator mediator = layer.mediator();
            if (mediator != null && !owner.pin(mediator)) {
                replace(mediator);
            }
        });
    }

    /** A driver's service goes: on return its mediation has been closed. */
    void mediatorLeft(Mediator mediator) {
        transit(() -> replace(mediator));
    }

    /** A driver has been registered: if one is awaited, it is asked, on another thread. */
    void mediatorArrived(Mediator mediator) {
        // A transition that is on its way may be about to await somebody; if it ends after the first look, the second
        // sees it.
        if (transition.isUnderWay() || awaiting != null) {
            core.calls().soon(() -> askNewcomer(mediator));
        }
    }

    /** The administrator asks for a hand-over. */
    Explanation rebind(List<Mediator> candidates) {
        if (awaiting != null || !transition.begin()) {
            throw handedOverAlready();
        }
        try {
            if (awaiting != null) {
                throw handedOverAlready();
            }
            Mediator before = layer.mediator();
            Left left = suspend();
            if (left == null) {
                throw taken();
            }
            List<Mediator> all = new ArrayList<>(candidates);
            if (before != null && !all.contains(before)) {
                all.add(before);
            }
            String outcome;
            if (succeed(left, all) || (before != null && succeed(left, others(all)))) {
                outcome = handedOver(left, layer);
            } else if (before == null) {
                outcome = "passed through as before: " + nobody(left.verdicts());
                serve(left, Layer.passThrough(choice.underneath()), outcome);
            } else {
                outcome = "nobody took it from " + left.name() + ", not even itself";
                await(left);
            }
            if (gate.isShut()) {
                throw taken();
            }
            return explanation(left.verdicts(), outcome);
        } catch (RuntimeException | Error e) {
            if (!(e instanceof VfioException)) {
                lose(e);
            }
            throw e;
        } finally {
            transition.end();
        }
    }

    /** Ends the mediation for good; the gate is shut. */
    void close(boolean drained, Deadline deadline) {
        Left left = awaiting;
        if (left != null) {
            awaiting = null;
            left.cancel().run();
        }
        Layer ending = take();
        if (drained) {
            closeMediation(ending, deadline);
        } else {
            forget(ending);
        }
    }

    /** Has drivers loaded, bounded whatever {@code load.timeout} is: the client does not wait longer for that. */
    private void load(Duration limit, List<Verdict> verdicts) {
        Optional<DriverLoader> loader = core.loader().get();
        if (loader.isEmpty()) {
            return;
        }
        try {
            core.calls()
                    .call(
                            "loading of drivers for " + device.address(),
                            limit,
                            () -> loader.get().load(device),
                            late -> {})
                    .forEach(attempt ->
                            attempt.failure().ifPresent(failure -> verdicts.add(notLoaded(attempt.bundle(), failure))));
        } catch (VendorCalls.StuckException | ExecutionException e) {
            LOGGER.log(Level.ERROR, device.address() + ": no driver was loaded", e);
            verdicts.add(notLoaded("the loader", String.valueOf(e.getMessage())));
        }
    }

    private static Verdict notLoaded(String bundle, String reason) {
        return new Verdict(bundle, 0, -1, Answer.FAILED, reason);
    }

    /** A transition that answers to nobody. What nobody foresaw costs the device, so that nobody is left at the gate. */
    private void transit(Runnable steps) {
        if (!transition.begin()) {
            return;
        }
        try {
            steps.run();
        } catch (RuntimeException | Error e) {
            lose(e);
        } finally {
            transition.end();
        }
    }

    private void lose(Throwable unforeseen) {
        LOGGER.log(Level.ERROR, device.address() + ": a hand-over went wrong", unforeseen);
        owner.fail("its hand-over went wrong: " + unforeseen);
    }

    private void replace(Mediator mediator) {
        if (layer.mediator() != mediator) {
            return;
        }
        Left left = suspend();
        if (left != null && !succeed(left, core.mediators().get())) {
            await(left);
        }
    }

    private void askNewcomer(Mediator mediator) {
        transit(() -> {
            Left left = awaiting;
            if (left != null && left.isOver()) {
                giveUp(left);
            } else if (left != null) {
                succeed(left, List.of(mediator));
            }
        });
    }

    /** Holds the gate and takes the mediation away. Returns null if that cost the device, or it was closed. */
    private @Nullable Left suspend() {
        Deadline deadline = new Deadline(core.limits().vendor());
        Duration patience = deadline.remaining(Step.CALLS_INSIDE);
        boolean drained = gate.hold(patience);
        if (gate.isShut()) {
            return null;
        }
        Layer ending = take();
        Mediator mediator = ending.mediator();
        try {
            if (!drained) {
                throw new LostException(gate.report(patience));
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
            Layer next =
                    choice.first(remaining, inheritance, left.deadline().remaining(Step.SUCCESSOR), left.verdicts());
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
        owner.adopt(next);
        // In this order, so that whoever sees that nobody is awaited any more sees who has come.
        swap(next);
        awaiting = null;
        left.cancel().run();
        if (gate.isShut()) {
            // A close waited no longer for this transition, and may have found nothing to close yet.
            closeMediation(take(), left.deadline());
            return;
        }
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
        awaiting = left.waiting(wait, core.calls().after(rest, this::expire));
    }

    private void expire() {
        transit(() -> {
            Left left = awaiting;
            if (left != null) {
                giveUp(left);
            }
        });
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
        return swap(Layer.passThrough(choice.underneath()));
    }

    /** In one step, so that of several who take a mediation away one gets it. */
    private synchronized Layer swap(Layer next) {
        Layer before = layer;
        layer = next;
        return before;
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

    private List<Mediator> others(List<Mediator> asked) {
        return core.mediators().get().stream()
                .filter(mediator -> !asked.contains(mediator))
                .toList();
    }

    private VfioException taken() {
        return new VfioException(
                Errno.ENODEV, device.address() + " has been closed, or was failed on the way; see the log");
    }

    private VfioException handedOverAlready() {
        return new VfioException(Errno.EBUSY, device.address() + " is being handed over already; look again later");
    }

    private static String handedOver(Left left, Layer next) {
        return "handed over from " + left.name() + " to " + next.name();
    }

    private Explanation explanation(List<Verdict> verdicts, String outcome) {
        return new Explanation(device.address(), user, verdicts, outcome);
    }

    private void explain(List<Verdict> verdicts, String outcome) {
        core.explain().accept(explanation(verdicts, outcome));
    }
}
