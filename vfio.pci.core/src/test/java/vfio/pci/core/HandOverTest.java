package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static vfio.pci.core.Errors.assertRefused;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;

/** A device that is handed from one driver to another while it is used. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HandOverTest {
    private static final HandOverState STATE =
            new HandOverState("counter", 2, "17".getBytes(StandardCharsets.US_ASCII));
    private static final Duration LONG = Duration.ofSeconds(50);

    private final Setting setting = new Setting();
    private final FakeMediation first = new FakeMediation();
    private final FakeMediation second = new FakeMediation();
    private final CapturedLog log = new CapturedLog();

    @AfterEach
    void closeLog() {
        log.close();
        setting.calls.close();
    }

    @Test
    void theSuccessorGetsTheStateAndTheAccessesThatWaited() {
        wait(LONG, true);
        first.onSuspend = () -> Optional.of(STATE);
        List<Optional<HandOverState>> received = new ArrayList<>();
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);

        assertThat(device.awaiting()).contains("vendor");
        assertThat(device.mediator()).isEmpty();
        assertThat(first.closed).as("its bundle may go").hasValue(1);
        try (Threads threads = new Threads()) {
            for (int waiting = 0; waiting < 3; waiting++) {
                threads.start("access " + waiting, () -> device.write(Setting.access(0, 0, 4)))
                        .awaitBlocked();
            }
            setting.arrive(
                    Setting.mediator(8, 0, "successor", context -> {
                        received.add(context.handedOver());
                        return Decision.accept(second);
                    }),
                    device);
        }

        assertThat(received).containsExactly(Optional.of(STATE));
        assertThat(second.writes).isEqualTo(3);
        assertThat(first.writes + setting.hardware.writes - second.writes).isZero();
        assertThat(device.mediator()).contains("successor");
        assertThat(device.awaiting()).isEmpty();
        assertThat(device.handOvers().count()).isEqualTo(1);
        assertThat(device.handOvers().longest()).isEqualTo(device.handOvers().last());
        assertThat(setting.explanation().outcome()).isEqualTo("handed over from vendor to successor");
    }

    /** Otherwise it looked passed through for a moment, and the update command would give it back once more. */
    @Test
    void theSuccessorIsAwaitedUntilItServes() {
        wait(LONG, true);
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);
        List<Optional<String>> awaited = new ArrayList<>();
        setting.onSettings = driver -> awaited.add(device.awaiting());
        setting.arrive(Setting.mediator(8, 0, "successor", accepting(second)), device);
        Awaitility.await().until(() -> device.awaiting().isEmpty());

        assertThat(device.mediator()).contains("successor");
        assertThat(awaited).containsOnly(Optional.of("vendor"));
    }

    @Test
    void whoIsRegisteredAlreadyIsAskedAtOnceInOrder() {
        setting.registered.add(Setting.mediator(9, -1, "third", accepting(new FakeMediation())));
        setting.registered.add(0, Setting.mediator(8, 0, "unwilling", context -> Decision.decline("busy")));
        setting.registered.add(1, Setting.mediator(10, 0, "careless", context -> Decision.accept(second)));
        first.onSuspend = () -> Optional.of(STATE);
        setting.registered.add(0, setting.mediator);
        MediatedDevice device = setting.open(first);
        setting.registered.remove(setting.mediator);
        setting.leave(setting.mediator);

        assertThat(device.mediator()).contains("third");
        assertThat(setting.explanation().verdicts())
                .extracting(Verdict::mediator, Verdict::answer, Verdict::reason)
                .containsExactly(
                        tuple("unwilling", Answer.DECLINED, "busy"),
                        tuple("careless", Answer.REFUSED, "it would lose what vendor left: counter version 2, 2 bytes"),
                        tuple("third", Answer.ACCEPTED, ""));
        Awaitility.await().untilAsserted(() -> assertThat(second.closed).hasValue(1));
    }

    @Test
    void aSuccessorWithAnotherLayoutIsRefused() {
        RegionInfo own = new RegionInfo(-1, 4096, Set.of(Flag.READ), List.of(), 4, 1);
        MediatedDevice device = setting.open(context -> {
            context.addRegion(own);
            return Decision.accept(first);
        });
        setting.registered.add(Setting.mediator(8, 0, "other region", context -> {
            context.addRegion(new RegionInfo(-1, 8192, Set.of(Flag.READ), List.of(), 4, 1));
            return Decision.accept(second);
        }));
        FakeMediation trapping = new FakeMediation();
        trapping.description = region -> region.index() == 0 ? RegionInfo.trapped(0, region.size()) : region;
        setting.registered.add(Setting.mediator(9, 0, "trapping", accepting(trapping)));
        FakeMediation fitting = new FakeMediation();
        setting.registered.add(Setting.mediator(10, 0, "fitting", context -> {
            context.handedOver();
            context.addRegion(own);
            context.addRegion(new RegionInfo(-1, 16, Set.of(Flag.READ), List.of(), 9, 9));
            return Decision.accept(fitting);
        }));
        setting.leave(setting.mediator);

        assertThat(device.mediator()).contains("fitting");
        assertThat(device.regionCount()).as("what the client was told").isEqualTo(2);
        List<Verdict> verdicts = setting.explanation().verdicts();
        assertThat(verdicts)
                .extracting(Verdict::answer)
                .containsExactly(Answer.REFUSED, Answer.REFUSED, Answer.ACCEPTED);
        assertThat(verdicts.get(0).reason()).contains("BAR1 is not what the client knows");
        assertThat(verdicts.get(1).reason()).contains("may have mapped BAR0 [0x0, 0x10000)");
    }

    @Test
    void aSuccessorThatLeavesOnTheWayIsPassedOver() {
        MediatedDevice device = setting.open(first);
        Mediator[] fleeting = new Mediator[1];
        fleeting[0] = Setting.mediator(8, 0, "fleeting", context -> {
            fleeting[0].leave();
            return Decision.accept(second);
        });
        FakeMediation third = new FakeMediation();
        setting.registered.add(fleeting[0]);
        setting.registered.add(Setting.mediator(9, 0, "staying", accepting(third)));
        setting.leave(setting.mediator);

        assertThat(device.mediator()).contains("staying");
        assertThat(second.closed).hasValue(1);
    }

    @Test
    void whoDeclinesLeavesTheDeviceWaitingForTheNext() {
        wait(LONG, true);
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);
        CountDownLatch asked = new CountDownLatch(1);
        setting.arrive(
                Setting.mediator(8, 0, "declining", context -> {
                    asked.countDown();
                    return Decision.decline("not for me");
                }),
                device);
        await(asked);

        assertThat(device.awaiting()).contains("vendor");
        setting.arrive(Setting.mediator(9, 0, "taking", accepting(second)), device);
        Awaitility.await().until(() -> device.mediator().equals(Optional.of("taking")));
        assertThat(setting.explanation().verdicts())
                .extracting(Verdict::mediator)
                .containsExactly("declining", "taking");
    }

    @Test
    void whenNobodyComesTheDeviceIsPassedThrough() {
        wait(Duration.ofMillis(30), true);
        first.onSuspend = () -> Optional.of(STATE);
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);
        device.read(Setting.access(0, 0, 4));

        assertThat(setting.hardware.reads).isEqualTo(1);
        assertThat(device.awaiting()).isEmpty();
        assertThat(log.entries(java.util.logging.Level.WARNING))
                .singleElement()
                .asString()
                .contains("vendor has left", "passed through", "without what it left: counter version 2");
    }

    @Test
    void whenNobodyComesTheDeviceIsFailedIfTheAdministratorSaysSo() {
        wait(Duration.ofMillis(30), false);
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);

        assertRefused(Errno.ENODEV, () -> device.read(Setting.access(0, 0, 4)))
                .contains("vendor has left and no successor came in time");
        Awaitility.await().untilAsserted(() -> assertThat(setting.closed).containsExactly(device));
        assertThat(setting.hardware.calls).containsExactly("close");
    }

    /** The client holds a mapping of memory that nobody else can serve. */
    @Test
    void aDeviceWhoseMemoryBelongedToTheDriverIsNotPassedThrough() {
        first.onMmap = region -> new FakeMemory(0x10000);
        MediatedDevice device = setting.open(first);
        device.mmap(0);
        setting.leave(setting.mediator);

        assertRefused(Errno.ENODEV, () -> device.read(Setting.access(0, 0, 4)))
                .contains("memory of BAR0 that belonged to the driver before");
    }

    @Test
    void nobodyWaitsWhileTheFrameworkStops() {
        wait(LONG, true);
        MediatedDevice device = setting.open(first);
        setting.stopping = true;
        setting.leave(setting.mediator);

        assertThat(device.awaiting()).isEmpty();
        assertThat(log.entries(java.util.logging.Level.WARNING)).isEmpty();
    }

    @Test
    void aClientMayCloseWhileTheDeviceWaits() {
        wait(LONG, true);
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);
        try (Threads threads = new Threads()) {
            threads.start("access", () -> assertRefused(Errno.ENODEV, () -> device.read(Setting.access(0, 0, 4))))
                    .awaitBlocked();
            device.close();
        }
        setting.arrive(Setting.mediator(8, 0, "late", accepting(second)), device);

        assertThat(setting.hardware.calls).containsExactly("close");
        assertThat(device.awaiting()).isEmpty();
        assertThat(device.mediator()).isEmpty();
    }

    @Test
    void aBetterDriverThatArrivesLaterChangesNothingByItself() {
        MediatedDevice device = setting.open(first);
        setting.arrive(Setting.mediator(8, 100, "better", accepting(second)), device);
        device.read(Setting.access(0, 0, 4));

        assertThat(device.mediator()).contains("vendor");
        assertThat(first.reads).isEqualTo(1);
    }

    @Test
    void theAdministratorHandsADeviceOver() {
        first.onSuspend = () -> Optional.of(STATE);
        MediatedDevice device = setting.open(first);
        Mediator better = Setting.mediator(8, 100, "better", accepting(second));
        Explanation explanation = device.rebind(List.of(better));
        device.read(Setting.access(0, 0, 4));

        assertThat(explanation.outcome()).isEqualTo("handed over from vendor to better");
        assertThat(second.reads).isEqualTo(1);
        assertThat(setting.mediator.info().devices()).isEmpty();
        assertThat(better.info().devices()).containsExactly(FakeFunction.ADDRESS);
    }

    @Test
    void theAdministratorMediatesADeviceThatWasPassedThrough() {
        MediatedDevice device = setting.openPassThrough();
        device.rebind(List.of(Setting.mediator(8, 0, "late", accepting(first))));
        device.read(Setting.access(0, 0, 4));

        assertThat(first.reads).isEqualTo(1);
    }

    @Test
    void aDeviceThatNobodyWantsStaysWhereItWas() {
        first.onSuspend = () -> Optional.of(STATE);
        FakeMediation again = new FakeMediation();
        List<FakeMediation> mediations = new ArrayList<>(List.of(first, again));
        MediatedDevice device = setting.open(context -> {
            context.handedOver();
            return Decision.accept(mediations.remove(0));
        });
        Explanation explanation =
                device.rebind(List.of(Setting.mediator(8, 100, "better", context -> Decision.decline("no"))));
        device.read(Setting.access(0, 0, 4));

        assertThat(explanation.outcome()).isEqualTo("handed over from vendor to vendor");
        assertThat(again.reads).isEqualTo(1);
        device.rebind(List.of());
    }

    @Test
    void aDeviceThatNeitherOldNorNewDriverTakesGoesToAnother() {
        wait(LONG, true);
        List<FakeMediation> once = new ArrayList<>(List.of(first));
        MediatedDevice device = setting.open(
                context -> once.isEmpty() ? Decision.decline("once only") : Decision.accept(once.remove(0)));
        setting.registered.add(Setting.mediator(9, -1, "other", accepting(second)));
        Explanation explanation =
                device.rebind(List.of(Setting.mediator(8, 100, "named", context -> Decision.decline("no"))));

        assertThat(explanation.outcome()).isEqualTo("handed over from vendor to other");
        assertThat(device.awaiting()).isEmpty();
    }

    @Test
    void aDeviceThatNobodyWantsStaysPassedThrough() {
        MediatedDevice device = setting.openPassThrough();
        Explanation explanation =
                device.rebind(List.of(Setting.mediator(8, 100, "better", context -> Decision.decline("no"))));
        device.read(Setting.access(0, 0, 4));

        assertThat(explanation.outcome()).isEqualTo("passed through as before: nobody claimed 8086:154c");
        assertThat(setting.hardware.reads).isEqualTo(1);
    }

    @Test
    void aDeviceThatWaitsCannotBeHandedOver() {
        wait(LONG, true);
        MediatedDevice device = setting.open(first);
        setting.leave(setting.mediator);

        assertRefused(Errno.EBUSY, () -> device.rebind(List.of()));
    }

    /** The administrator is in time to see the device mediated, and gets his turn when it waits. */
    @Test
    void aDeviceThatHasBegunToWaitCannotBeHandedOver() {
        wait(LONG, true);
        CountDownLatch suspending = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        first.onSuspend = () -> {
            suspending.countDown();
            await(go);
            return Optional.of(STATE);
        };
        MediatedDevice device = setting.open(first);
        try (Threads threads = new Threads()) {
            threads.start("framework", () -> setting.leave(setting.mediator));
            await(suspending);
            threads.start("administrator", () -> assertRefused(Errno.EBUSY, () -> device.rebind(List.of())))
                    .awaitBlocked();
            go.countDown();
        }
        List<Optional<HandOverState>> received = new ArrayList<>();
        setting.arrive(
                Setting.mediator(8, 0, "successor", context -> {
                    received.add(context.handedOver());
                    return Decision.accept(second);
                }),
                device);
        Awaitility.await().until(() -> device.mediator().equals(Optional.of("successor")));

        assertThat(received).containsExactly(Optional.of(STATE));
    }

    /** The command line interrupts a command on Ctrl-C. */
    @Test
    void anAdministratorWhoIsInterruptedLeavesNothingInDoubt() {
        CountDownLatch suspending = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        first.onSuspend = () -> {
            suspending.countDown();
            await(go);
            return Optional.of(STATE);
        };
        MediatedDevice device = setting.open(first);
        Mediator better = Setting.mediator(8, 100, "better", accepting(second));
        try (Threads threads = new Threads()) {
            Threads.Task administrator = threads.start("administrator", () -> {
                device.rebind(List.of(better));
                assertThat(Thread.currentThread().isInterrupted()).isTrue();
            });
            await(suspending);
            administrator.interrupt();
            go.countDown();
        }
        device.read(Setting.access(0, 0, 4));

        assertThat(device.mediator()).contains("better");
        assertThat(first.closed).hasValue(1);
        assertThat(second.reads).isEqualTo(1);
    }

    @Test
    void aClosedDeviceCannotBeHandedOver() {
        MediatedDevice device = setting.open(first);
        device.close();

        assertRefused(Errno.ENODEV, () -> device.rebind(List.of()));
    }

    @Test
    void theAdministratorHearsThatTheDeviceWasFailedOnTheWay() {
        Setting failing = new Setting(new FakeHardware(), Setting.SHORT_LIMIT);
        MediatedDevice device = failing.open(first);
        CountDownLatch never = new CountDownLatch(1);
        second.onClose = () -> await(never);
        Mediator[] fleeting = new Mediator[1];
        fleeting[0] = Setting.mediator(8, 0, "fleeting", context -> {
            fleeting[0].leave();
            return Decision.accept(second);
        });

        assertRefused(Errno.ENODEV, () -> device.rebind(List.of(fleeting[0]))).contains("was failed on the way");
        assertThat(log.entries(java.util.logging.Level.SEVERE))
                .singleElement()
                .asString()
                .contains("fleeting's close of 0000:03:02.0 did not return");
        never.countDown();
        failing.calls.close();
    }

    /** Nobody else would close it. */
    @Test
    void aSuccessorThatComesAfterTheCloseIsClosed() {
        Setting impatient = new Setting(new FakeHardware(), Duration.ofMillis(200));
        MediatedDevice device = impatient.open(first);
        CountDownLatch serving = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        impatient.onSettings = driver -> {
            serving.countDown();
            await(go);
        };
        Mediator late = Setting.mediator(8, 100, "late", accepting(second));
        try (Threads threads = new Threads()) {
            threads.start("administrator", () -> assertRefused(Errno.ENODEV, () -> device.rebind(List.of(late))));
            await(serving);
            device.close();
            assertThat(impatient.closed).containsExactly(device);
            go.countDown();
        }
        impatient.calls.close();

        assertThat(second.closed).hasValue(1);
        assertThat(late.info().devices()).isEmpty();
        assertThat(device.mediator()).isEmpty();
    }

    /** Each turn closes the last mediation and opens the next, so whatever is lost or done twice shows in the sums. */
    @Test
    void nothingIsLostOrDoneTwiceWhileDriversComeAndGo() {
        wait(LONG, true);
        MediatedDevice device = setting.open(new FakeMediation());
        AtomicBoolean enough = new AtomicBoolean();
        AtomicInteger accesses = new AtomicInteger();
        int turns = 200;
        try (Threads threads = new Threads()) {
            threads.start("writer", () -> {
                while (!enough.get()) {
                    device.write(Setting.access(0, 0, 4));
                    accesses.incrementAndGet();
                }
            });
            Mediator current = setting.mediator;
            for (int turn = 0; turn < turns; turn++) {
                Mediator next = Setting.mediator(10 + turn, 0, "turn " + turn, accepting(new FakeMediation()));
                setting.leave(current);
                setting.arrive(next, device);
                Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> device.awaiting()
                        .isEmpty());
                current = next;
            }
            enough.set(true);
        }

        assertThat(setting.hardware.writes).isEqualTo(accesses.get());
        assertThat(device.handOvers().count()).isEqualTo(turns);
    }

    @Test
    void theAreasOfASuccessorMayBeCutOtherwise() {
        first.description = region ->
                region.withAreas(List.of(SparseArea.direct(0x1000, 0x2000), SparseArea.direct(0x4000, 0x1000)));
        MediatedDevice device = setting.open(first);
        second.description = region -> region.withAreas(List.of(
                SparseArea.direct(0x1000, 0x1000),
                SparseArea.disablable(0x2000, 0x1000),
                SparseArea.direct(0x3000, 0x4000)));
        device.rebind(List.of(Setting.mediator(8, 0, "cut", accepting(second))));

        assertThat(device.mediator()).contains("cut");
        assertThat(device.regionInfo(0).areas())
                .as("what the client was told")
                .containsExactly(SparseArea.direct(0x1000, 0x2000), SparseArea.direct(0x4000, 0x1000));
        assertRefused(Errno.EOPNOTSUPP, () -> device.trap(true)).contains("connect anew");
    }

    private void wait(Duration duration, boolean passThroughAfterwards) {
        setting.settings =
                new DeviceSettings(TrapPolicy.DYNAMIC, Duration.ofSeconds(60), duration, passThroughAfterwards);
    }

    private static MediateOps accepting(FakeMediation mediation) {
        return context -> {
            context.handedOver();
            return Decision.accept(mediation);
        };
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(10, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
