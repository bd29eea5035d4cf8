package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.pci.core.Errors.assertRefused;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.logging.Level;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciInterrupt;

/** A device from its opening to its end: drivers that leave, users that close, both at once; interrupts and DMA. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MediatedLifeTest {
    private final Setting setting = new Setting();
    private final FakeHardware hardware = setting.hardware;
    private final FakeMediation mediation = new FakeMediation();
    private final CapturedLog log = new CapturedLog();
    private final CountDownLatch inside = new CountDownLatch(1);
    private final CountDownLatch leave = new CountDownLatch(1);

    @AfterEach
    void closeLog() {
        log.close();
    }

    @Test
    void aDriverThatLeavesIsClosedAndTheDeviceGoesOn() {
        mediation.onAccess = access -> Result.DONE;
        MediatedDevice device = setting.open(mediation);
        assertThat(setting.mediator.info().openDevices()).isEqualTo(1);
        setting.leave(setting.mediator);
        device.read(Setting.access(0, 0, 4));

        assertThat(mediation.closed).hasValue(1);
        assertThat(mediation.reads).isZero();
        assertThat(hardware.reads).isEqualTo(1);
        assertThat(device.mediator()).isEmpty();
        assertThat(device.counters()).isEmpty();
        assertThat(setting.mediator.info().openDevices()).isZero();
        assertThat(log.entries(Level.WARNING))
                .containsExactly("0000:03:02.0: vendor has left; the device is passed through from now on");
        device.close();
        assertThat(mediation.closed).hasValue(1);
    }

    @Test
    void aDriverThatLeavesWaitsForTheCallInside() {
        blockAccesses();
        MediatedDevice device = setting.open(mediation);
        RegionAccess waiting = Setting.access(0, 4, 4);
        try (Threads threads = new Threads()) {
            threads.start("first reader", () -> device.read(Setting.access(0, 0, 4)));
            await(inside);
            threads.start("framework", () -> setting.leave(setting.mediator)).awaitBlocked();
            threads.start("second reader", () -> device.read(waiting)).awaitBlocked();
            assertThat(mediation.closed).as("closed under a call").hasValue(0);
            leave.countDown();
        }

        assertThat(mediation.closed).hasValue(1);
        assertThat(mediation.reads).as("reads by the driver").isEqualTo(1);
        assertThat(hardware.reads).as("the one that waited is passed through").isEqualTo(1);
        assertThat(waiting.value()).isEqualTo(0x5a5a5a5a);
    }

    @Test
    void aDriverThatLeftBeforeTheDeviceWasPinnedIsNotUsed() {
        MediatedDevice device = setting.open(context -> {
            setting.leave(setting.mediator);
            return Decision.accept(mediation);
        });

        assertThat(device.mediator()).isEmpty();
        assertThat(mediation.closed).hasValue(1);
        assertThat(setting.mediator.info().openDevices()).isZero();
    }

    @Test
    void aDriverMayFailToCloseWhenItLeaves() {
        mediation.onClose = () -> {
            throw new VfioException(Errno.EBUSY, "cannot close");
        };
        MediatedDevice device = setting.open(mediation);
        setting.leave(setting.mediator);
        device.read(Setting.access(0, 0, 4));

        assertThat(hardware.reads).isEqualTo(1);
        assertThat(setting.failures()).isEqualTo(1);
        assertThat(log.entries(Level.SEVERE)).singleElement().asString().contains("vendor", "cannot close");
    }

    @Test
    void theContextIsInvalidOnceTheMediationIsClosed() {
        List<MediationContext> contexts = new ArrayList<>();
        MediatedDevice device = setting.open(context -> {
            contexts.add(context);
            return Decision.accept(mediation);
        });
        MediationContext context = contexts.get(0);
        mediation.onClose = () -> context.hardware().read(Setting.access(0, 0, 4));
        device.close();

        assertThat(hardware.reads).as("valid during close").isEqualTo(1);
        assertRefused(Errno.ENODEV, () -> context.hardware().read(Setting.access(0, 0, 4)));
        assertRefused(Errno.ENODEV, () -> context.memory().read(0, ByteBuffer.allocate(1)));
    }

    @Test
    void closingReleasesEverythingOnceInOrder() {
        hardware.interrupts.add(new InterruptInfo(0, 1, Set.of(InterruptInfo.Flag.EVENTFD)));
        hardware.interrupts.add(InterruptInfo.absent(1));
        FakeMemory memory = new FakeMemory(16);
        mediation.onClose = () -> hardware.calls.add("close of the mediation");
        MediatedDevice device = setting.open(mediation);
        device.map(new DmaMapping(0, 16, true, true, memory));
        hardware.calls.clear();
        device.close();
        device.close();

        assertThat(hardware.calls)
                .containsExactly("close of the mediation", "disable 0", "disable 1", "unmap [0x0, +0x10)", "close");
        assertThat(mediation.closed).hasValue(1);
        assertThat(memory.closed).hasValue(1);
        assertThat(setting.closed).containsExactly(device);
        assertThat(setting.mediator.info().openDevices()).isZero();
    }

    @Test
    void closingIsDoneOnceHoweverManyDoIt() {
        MediatedDevice device = setting.open(mediation);
        try (Threads threads = new Threads()) {
            for (int closer = 0; closer < 8; closer++) {
                threads.start("closer " + closer, device::close);
            }
            threads.start("framework", () -> setting.leave(setting.mediator));
        }

        assertThat(mediation.closed).hasValue(1);
        assertThat(hardware.calls).containsExactly("close");
        assertThat(setting.closed).hasSize(1);
    }

    @Test
    void afterCloseNothingReachesTheDevice() {
        hardware.interrupts.add(new InterruptInfo(0, 1, Set.of(InterruptInfo.Flag.EVENTFD)));
        MediatedDevice device = setting.open(mediation);
        device.close();
        hardware.calls.clear();

        assertRefused(Errno.ENODEV, () -> device.read(Setting.access(0, 0, 4)));
        assertRefused(Errno.ENODEV, () -> device.write(Setting.access(0, 0, 4)));
        assertRefused(Errno.ENODEV, () -> device.mmap(0));
        assertRefused(Errno.ENODEV, () -> device.map(new DmaMapping(0, 16, true, true, null)));
        assertRefused(Errno.ENODEV, () -> device.unmap(0, 16));
        assertRefused(Errno.ENODEV, () -> device.connect(0, InterruptAction.TRIGGER, 0, List.of()));
        assertRefused(Errno.ENODEV, () -> device.act(0, InterruptAction.TRIGGER, 0, 1));
        assertRefused(Errno.ENODEV, () -> device.disable(0));
        assertRefused(Errno.ENODEV, device::reset);
        assertRefused(Errno.ENODEV, device::counters);
        assertThat(hardware.calls).isEmpty();
        assertThat(mediation.reads + mediation.writes + hardware.reads + hardware.writes)
                .isZero();
    }

    @Test
    void closingWaitsForTheCallInside() {
        blockAccesses();
        MediatedDevice device = setting.open(mediation);
        try (Threads threads = new Threads()) {
            threads.start("reader", () -> device.read(Setting.access(0, 0, 4)));
            await(inside);
            threads.start("closer", device::close).awaitBlocked();
            assertThat(mediation.closed).hasValue(0);
            assertThat(hardware.calls).isEmpty();
            assertRefused(Errno.ENODEV, () -> device.read(Setting.access(0, 0, 4)));
            leave.countDown();
        }
        assertThat(mediation.closed).hasValue(1);
        assertThat(hardware.calls).containsExactly("close");
    }

    @Test
    void closingGoesOnWhateverTheVendorThrows() {
        FakeMemory memory = new FakeMemory(16);
        mediation.onClose = () -> {
            throw new LinkageError("half unloaded");
        };
        MediatedDevice device = setting.open(mediation);
        device.map(new DmaMapping(0, 16, true, true, memory));
        device.close();

        assertThat(memory.closed).hasValue(1);
        assertThat(hardware.calls).endsWith("close");
        assertThat(setting.closed).containsExactly(device);
        assertThat(setting.failures()).isEqualTo(1);
    }

    /** As hardware does that was pulled out: everything fails, and the device must be free all the same. */
    @Test
    void closingGoesOnWhateverTheHardwareThrows() {
        Setting removed = new Setting(new FakeHardware() {
            @Override
            public void disable(int index) {
                throw new VfioException(Errno.ENODEV, "gone");
            }

            @Override
            public void unmap(DmaMapping mapping) {
                throw new VfioException(Errno.ENODEV, "gone");
            }

            @Override
            public void close() {
                throw new VfioException(Errno.ENODEV, "gone");
            }
        });
        removed.hardware.interrupts.add(InterruptInfo.absent(0));
        FakeMemory memory = new FakeMemory(16);
        MediatedDevice device = removed.open(mediation);
        device.map(new DmaMapping(0, 16, true, true, memory));
        device.close();

        assertThat(mediation.closed).hasValue(1);
        assertThat(memory.closed).hasValue(1);
        assertThat(removed.closed).containsExactly(device);
        assertThat(removed.mediator.info().openDevices()).isZero();
    }

    /** The framework takes a bundle's classes away once its services are gone, so leaving must not overtake closing. */
    @Test
    void aDriverThatLeavesWaitsForTheClosingOfItsMediation() {
        blockClose();
        MediatedDevice device = setting.open(mediation);
        try (Threads threads = new Threads()) {
            threads.start("closer", device::close);
            await(inside);
            threads.start("framework", () -> setting.leave(setting.mediator)).awaitBlocked();
            leave.countDown();
        }
        assertThat(mediation.closed).hasValue(1);
    }

    /** A mediation may still use the hardware while it closes. */
    @Test
    void theHardwareIsClosedAfterTheMediationOfALeavingDriver() {
        blockClose();
        MediatedDevice device = setting.open(mediation);
        try (Threads threads = new Threads()) {
            threads.start("framework", () -> setting.leave(setting.mediator));
            await(inside);
            threads.start("closer", device::close).awaitBlocked();
            assertThat(hardware.calls).isEmpty();
            leave.countDown();
        }
        assertThat(hardware.calls).containsExactly("close");
        assertThat(mediation.closed).hasValue(1);
    }

    /** Otherwise the first would wait for its successor as long as it takes to suspend all the others. */
    @Test
    void theDevicesOfADriverAreHandedOverAtTheSameTime() {
        Setting other = new Setting();
        CyclicBarrier bothSuspend = new CyclicBarrier(2);
        Mediator shared = Setting.mediator(8, 0, "shared", context -> {
            FakeMediation waiting = new FakeMediation();
            waiting.onSuspend = () -> {
                await(bothSuspend);
                return Optional.empty();
            };
            return Decision.accept(waiting);
        });
        List<MediatedDevice> devices = new ArrayList<>();
        for (Setting each : List.of(setting, other)) {
            each.registered.add(shared);
            devices.add(each.open());
        }
        other.registered.remove(shared);
        setting.leave(shared);

        assertThat(devices).allSatisfy(device -> device.read(Setting.access(0, 0, 4)));
        assertThat(log.entries(Level.SEVERE)).isEmpty();
        other.calls.close();
    }

    /** The new version comes when all devices have left the old one; by then no healthy one may have stopped waiting. */
    @Test
    void aStuckDeviceDoesNotCostItsSiblingsTheirSuccessor() {
        HandOverState state = new HandOverState("counter", 1, new byte[1]);
        FakeMediation healthy = new FakeMediation();
        healthy.onSuspend = () -> Optional.of(state);
        blockClose();
        List<FakeMediation> mediations = new ArrayList<>(List.of(mediation, healthy));
        Mediator shared = Setting.mediator(8, 0, "shared", context -> Decision.accept(mediations.remove(0)));
        // The times of production, halved.
        Duration limit = Core.Limits.DEFAULT.vendor().dividedBy(2);
        Setting stuck = new Setting(new FakeHardware(), limit);
        Setting sibling = new Setting(new FakeHardware(), limit);
        Duration wait = DeviceSettings.DEFAULT.successorWait().dividedBy(2);
        sibling.settings = new DeviceSettings(TrapPolicy.DYNAMIC, Duration.ofSeconds(60), wait, true);
        List<MediatedDevice> devices = new ArrayList<>();
        for (Setting each : List.of(stuck, sibling)) {
            each.registered.add(shared);
            devices.add(each.open());
            each.registered.remove(shared);
        }
        shared.leave();
        List<Optional<HandOverState>> received = new ArrayList<>();
        MediatedDevice device = devices.get(1);
        sibling.arrive(
                Setting.mediator(9, 0, "new version", context -> {
                    received.add(context.handedOver());
                    return Decision.accept(new FakeMediation());
                }),
                device);
        Awaitility.await().until(() -> device.awaiting().isEmpty());

        assertRefused(Errno.ENODEV, () -> devices.get(0).read(Setting.access(0, 0, 4)));
        assertThat(device.mediator()).contains("new version");
        assertThat(received).containsExactly(Optional.of(state));
        leave.countDown();
        stuck.calls.close();
        sibling.calls.close();
    }

    @Test
    void dmaEndsBeforeItsMappings() {
        List<String> order = new ArrayList<>();
        FakeHardware ordered = new FakeHardware() {
            @Override
            public void stopDma() {
                order.add("stop DMA");
            }

            @Override
            public void unmap(DmaMapping mapping) {
                order.add("unmap");
            }
        };
        Setting other = new Setting(ordered);
        MediatedDevice device = other.open(mediation);
        device.map(new DmaMapping(0, 4096, true, true, null));
        device.close();
        other.calls.close();

        assertThat(order).containsExactly("stop DMA", "unmap");
    }

    /** The core is stopped while a device is being opened or closed. */
    @Test
    void aDeviceIsClosedEvenAfterTheCore() {
        MediatedDevice device = setting.open(mediation);
        setting.calls.close();
        device.close();

        assertThat(mediation.closed).hasValue(1);
        assertThat(setting.hardware.calls).containsExactly("close");
        assertThat(setting.closed).containsExactly(device);
    }

    @Test
    void interruptsAreCheckedAndPassedOn() {
        hardware.interrupts.add(
                new InterruptInfo(0, 1, Set.of(InterruptInfo.Flag.EVENTFD, InterruptInfo.Flag.MASKABLE)));
        hardware.interrupts.add(new InterruptInfo(1, 4, Set.of(InterruptInfo.Flag.EVENTFD)));
        MediatedDevice device = setting.openPassThrough();
        device.connect(1, InterruptAction.TRIGGER, 1, Arrays.asList(null, null, null));
        device.act(1, InterruptAction.TRIGGER, 3, 1);
        device.act(0, InterruptAction.MASK, 0, 1);
        device.act(1, InterruptAction.TRIGGER, 4, 0);
        device.disable(1);

        assertThat(hardware.calls)
                .containsExactly(
                        "connect 1 TRIGGER 1 3",
                        "act 1 TRIGGER 3 1",
                        "act 0 MASK 0 1",
                        "act 1 TRIGGER 4 0",
                        "disable 1");
        hardware.calls.clear();
        assertRefused(
                Errno.EINVAL, () -> device.connect(1, InterruptAction.TRIGGER, 2, Arrays.asList(null, null, null)));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.TRIGGER, 4, 1));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.TRIGGER, 5, 0));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.TRIGGER, -1, 1));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.TRIGGER, 0, -1));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.TRIGGER, Integer.MAX_VALUE, Integer.MAX_VALUE));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.TRIGGER, 1, Integer.MAX_VALUE));
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.MASK, 0, 1))
                .contains("masked");
        assertRefused(Errno.EINVAL, () -> device.act(1, InterruptAction.UNMASK, 0, 1))
                .contains("masked");
        assertRefused(Errno.EINVAL, () -> device.disable(2));
        assertRefused(Errno.EINVAL, () -> device.disable(-1));
        assertRefused(Errno.EINVAL, () -> device.interruptInfo(2));
        assertThat(hardware.calls).isEmpty();
    }

    @Test
    void dmaRangesMustBeRanges() {
        MediatedDevice device = setting.openPassThrough();
        for (DmaMapping impossible : List.of(
                new DmaMapping(0, 0, true, true, null),
                new DmaMapping(4096, 0, true, true, null),
                new DmaMapping(-1, 2, true, true, null),
                new DmaMapping(-4096, 4097, true, true, null),
                new DmaMapping(4096, -4095, true, true, null),
                new DmaMapping(Long.MIN_VALUE, Long.MIN_VALUE + 1, true, true, null))) {
            assertRefused(Errno.EINVAL, () -> device.map(impossible)).contains("empty or wraps");
        }
        assertThat(hardware.calls).isEmpty();
        device.map(new DmaMapping(-4096, 4096, true, true, null));
        device.map(new DmaMapping(0, 4096, true, true, null));
        assertThat(device.mappings()).extracting(DmaMapping::iova).containsExactly(0L, -4096L);
        device.unmap(-4096, 4096);
        assertThat(device.mappings()).hasSize(1);
    }

    @Test
    void aUserWhoListensIsAskedForTheDeviceAndGivenTime() {
        withRequestInterrupt();
        MediatedDevice device = setting.open(mediation);
        device.connect(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, List.of(new FakeSignal()));
        try (Threads threads = new Threads()) {
            Threads.Task removal = threads.start("removal", () -> device.withdraw("removed"));
            removal.awaitBlocked();
            assertThat(hardware.calls).contains("act 4 TRIGGER 0 1").doesNotContain("close");
            device.close();
        }
        assertThat(hardware.calls).endsWith("close");
        assertThat(mediation.closed).hasValue(1);
    }

    @Test
    void nobodyWaitsForAUserWhoDoesNotListen() {
        withRequestInterrupt();
        MediatedDevice device = setting.open(mediation);
        device.connect(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, List.of(new FakeSignal()));
        device.disable(PciInterrupt.REQ);
        device.withdraw("removed");

        assertThat(hardware.calls).doesNotContain("act 4 TRIGGER 0 1").endsWith("close");
    }

    @Test
    void nobodyWaitsForAUserWhileTheFrameworkStops() {
        withRequestInterrupt();
        MediatedDevice device = setting.open(mediation);
        device.connect(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, List.of(new FakeSignal()));
        setting.stopping = true;
        device.withdraw("removed");

        assertThat(hardware.calls).doesNotContain("act 4 TRIGGER 0 1").endsWith("close");
    }

    private void withRequestInterrupt() {
        for (int index = 0; index < PciInterrupt.COUNT; index++) {
            hardware.interrupts.add(new InterruptInfo(index, 1, Set.of(InterruptInfo.Flag.EVENTFD)));
        }
    }

    private void blockAccesses() {
        mediation.onAccess = access -> {
            inside.countDown();
            await(leave);
            return Result.DONE;
        };
    }

    private void blockClose() {
        mediation.onClose = () -> {
            inside.countDown();
            await(leave);
        };
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await(5, TimeUnit.SECONDS);
        } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
