package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;

/**
 * One device that some threads access while others let drivers come and go, hand the device over and close it. What is
 * wrong shows where it happens, or in the sums at the end.
 */
final class HandOverModelRun implements Consumer<List<List<String>>> {
    static final int DRIVERS = 3;

    private static final int CLIENTS = 2;
    private static final Duration LONG = Duration.ofSeconds(50);
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /** What happens when no successor comes. */
    enum Ending {
        /** Accesses wait, for longer than a run takes. */
        WAIT(LONG, true),
        /** At once, or soon. */
        PASS_THROUGH(Duration.ZERO, true),
        SOON_PASS_THROUGH(Duration.ofMillis(2), true),
        FAIL(Duration.ofMillis(2), false);

        private final Duration wait;
        private final boolean passThrough;

        Ending(Duration wait, boolean passThrough) {
            this.wait = wait;
            this.passThrough = passThrough;
        }
    }

    enum Action {
        ARRIVE,
        LEAVE,
        REBIND,
        REBIND_TO,
        CLOSE,
        PAUSE
    }

    private final Ending ending;
    private final List<String> wrong = new CopyOnWriteArrayList<>();
    private final Setting setting = new Setting(new CountingHardware());
    private final List<Driver> drivers = new ArrayList<>();
    private final List<Mediator> mediators = new CopyOnWriteArrayList<>();
    private final List<Watched> mediations = new CopyOnWriteArrayList<>();
    private final AtomicInteger open = new AtomicInteger();
    private final AtomicReference<@Nullable HandOverState> left = new AtomicReference<>();
    private final Set<Integer> answered = ConcurrentHashMap.newKeySet();
    private final AtomicInteger accesses = new AtomicInteger();
    private final AtomicBoolean closing = new AtomicBoolean();
    private final MediatedDevice device;

    /**
     * @param ending name of an {@link Ending}
     */
    HandOverModelRun(String ending) {
        this.ending = Ending.valueOf(ending);
        setting.settings = new DeviceSettings(
                TrapPolicy.DYNAMIC, Duration.ofSeconds(60), this.ending.wait, this.ending.passThrough);
        device = setting.openPassThrough();
        for (int number = 0; number < DRIVERS; number++) {
            drivers.add(new Driver(number));
        }
        drivers.get(0).arrive();
        rebind(List.copyOf(setting.registered));
    }

    /** Runs a script on each thread; a step is the name of an {@link Action} and the number of the driver it is done to. */
    @Override
    public void accept(List<List<String>> scripts) {
        try (CapturedLog log = new CapturedLog()) {
            AtomicBoolean enough = new AtomicBoolean();
            try (Threads clients = new Threads()) {
                for (int client = 0; client < CLIENTS; client++) {
                    clients.start("client " + client, () -> {
                        while (!enough.get() && access()) {
                            Thread.onSpinWait();
                        }
                    });
                }
                try (Threads administrators = new Threads()) {
                    scripts.forEach(script -> administrators.start("administrator", () -> script.forEach(this::take)));
                }
                settle();
                enough.set(true);
            }
            end();
        }
    }

    /** Whoever waits gets a successor if there is one; one that comes now is the last chance. */
    private void settle() {
        if (drivers.stream()
                .noneMatch(driver -> driver.isWilling() && driver.current().isPresent())) {
            drivers.get(0).arrive();
        }
        await("a registered driver takes the device")
                .until(() -> device.awaiting().isEmpty());
    }

    private void end() {
        assertThat(wrong).isEmpty();
        if (access()) {
            assertThat(closing).as("closed").isFalse();
            assertThat(pinned()).isEqualTo(device.mediator().stream().toList());
            device.close();
        }
        await("released").untilAsserted(() -> assertThat(setting.closed).containsExactly(device));
        assertThat(setting.hardware.calls).containsExactly("close");
        assertThat(pinned()).isEmpty();
        await("idle").until(() -> setting.calls.busy() == 0);
        setting.calls.close();
        assertThat(mediations)
                .allSatisfy(mediation ->
                        assertThat(mediation.closed).as(mediation.name).hasValue(1));
        assertThat(wrong).isEmpty();
    }

    private static ConditionFactory await(String what) {
        return Awaitility.await(what).atMost(PATIENCE).pollInterval(Duration.ofMillis(1));
    }

    private void take(String step) {
        int space = step.indexOf(' ');
        int number = Integer.parseInt(step.substring(space + 1));
        Driver driver = drivers.get(number % DRIVERS);
        switch (Action.valueOf(step.substring(0, space))) {
            case PAUSE -> {
                for (int count = 0; count < number; count++) {
                    Thread.onSpinWait();
                }
            }
            case ARRIVE -> driver.arrive();
            case LEAVE -> driver.leave();
            case REBIND -> rebind(List.copyOf(setting.registered));
            case REBIND_TO -> rebind(driver.current().stream().toList());
            case CLOSE -> {
                closing.set(true);
                device.close();
                assertThat(setting.closed).containsExactly(device);
            }
        }
    }

    private void rebind(List<Mediator> candidates) {
        try {
            device.rebind(candidates);
        } catch (VfioException e) {
            assertThat(e.errno()).as(e.getMessage()).isIn(Errno.EBUSY, mayBeGone() ? Errno.ENODEV : Errno.EBUSY);
        }
    }

    /** Returns whether there may be another. */
    private boolean access() {
        int number = accesses.incrementAndGet();
        RegionAccess access = Setting.access(0, 0, 4);
        access.putInt(0, number);
        try {
            device.write(access);
        } catch (VfioException e) {
            assertThat(e.errno()).as(e.getMessage()).isEqualTo(Errno.ENODEV);
            assertThat(mayBeGone()).as(e.getMessage()).isTrue();
            assertThat(answered).doesNotContain(number);
            return false;
        }
        assertThat(answered).contains(number);
        return true;
    }

    private boolean mayBeGone() {
        return closing.get() || ending == Ending.FAIL;
    }

    private List<String> pinned() {
        return mediators.stream()
                .map(Mediator::info)
                .flatMap(info -> info.devices().stream().map(address -> info.name()))
                .toList();
    }

    private void require(boolean condition, String otherwise) {
        if (!condition) {
            wrong.add(otherwise + " on " + Thread.currentThread().getName());
        }
    }

    private void answer(RegionAccess access) {
        require(answered.add(access.getInt(0)), "answered twice");
    }

    /** Passes nothing on, and knows what it has done. */
    private final class CountingHardware extends FakeHardware {
        @Override
        public void write(RegionAccess access) {
            answer(access);
        }
    }

    /** A vendor bundle that registers its driver anew each time. The last one wants no device. */
    private final class Driver {
        private final int number;
        private int registrations;
        private @Nullable Mediator current;

        Driver(int number) {
            this.number = number;
        }

        boolean isWilling() {
            return number < DRIVERS - 1;
        }

        synchronized Optional<Mediator> current() {
            return Optional.ofNullable(current);
        }

        synchronized void arrive() {
            if (current == null) {
                String name = number + "." + registrations++;
                Mediator arriving = Setting.mediator(number, 0, name, context -> open(name, context));
                mediators.add(arriving);
                current = arriving;
                setting.arrive(arriving, device);
            }
        }

        synchronized void leave() {
            Mediator leaving = current;
            if (leaving != null) {
                current = null;
                setting.leave(leaving);
                mediations.stream()
                        .filter(mediation -> mediation.name.equals(leaving.name()))
                        .forEach(Watched::driverHasLeft);
            }
        }

        private Decision open(String name, MediationContext context) {
            RaceNoise.perhaps();
            if (!isWilling()) {
                return Decision.decline("not this one");
            }
            HandOverState found = context.handedOver().orElse(null);
            require(Objects.equals(found, left.get()) || ending != Ending.WAIT, "what was left is not what was found");
            Watched mediation = new Watched(name);
            mediations.add(mediation);
            return Decision.accept(mediation);
        }
    }

    /** A mediation that sees to it that it is called when it may be called. */
    private final class Watched implements Mediation {
        private final String name;
        private final AtomicInteger inside = new AtomicInteger();
        private final AtomicInteger closed = new AtomicInteger();
        private volatile boolean accessed;
        private volatile boolean suspended;
        private volatile boolean driverLeft;

        Watched(String name) {
            this.name = name;
            require(open.incrementAndGet() == 1, "two are open");
        }

        void driverHasLeft() {
            driverLeft = true;
            require(!accessed || closed.get() == 1, "open when its driver has left");
        }

        @Override
        public Result write(RegionAccess access) {
            inside.incrementAndGet();
            accessed = true;
            require(device.mediator().equals(Optional.of(name)), "accessed while not installed");
            RaceNoise.perhaps();
            boolean mine = access.getInt(0) % 2 == 0;
            if (mine) {
                answer(access);
            }
            require(!suspended && closed.get() == 0 && !driverLeft, "accessed after its end");
            inside.decrementAndGet();
            return mine ? Result.DONE : Result.PASS_THROUGH;
        }

        @Override
        public Optional<HandOverState> suspend() {
            require(!suspended && closed.get() == 0 && inside.get() == 0, "suspended when it must not be");
            suspended = true;
            RaceNoise.perhaps();
            HandOverState state = new HandOverState(name, 1, new byte[0]);
            left.set(state);
            return Optional.of(state);
        }

        @Override
        public void close() {
            require(inside.get() == 0, "closed with somebody inside");
            RaceNoise.perhaps();
            open.decrementAndGet();
            closed.incrementAndGet();
        }
    }
}
