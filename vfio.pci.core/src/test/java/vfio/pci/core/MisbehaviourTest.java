package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.pci.core.Errors.assertRefused;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Level;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.mediate.MediationContext;

/**
 * Drivers that never return, throw everywhere, or never come to rest: they cost their own device at most, while another one on
 * the same core is as quick as ever.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class MisbehaviourTest {
    private final Setting setting = new Setting(new FakeHardware(), Setting.SHORT_LIMIT);
    private final Neighbour neighbour = new Neighbour(setting);
    private final FakeMediation mediation = new FakeMediation();
    private final CapturedLog log = new CapturedLog();
    private final CountDownLatch inside = new CountDownLatch(1);
    private final CountDownLatch leaving = new CountDownLatch(1);
    private final CountDownLatch never = new CountDownLatch(1);

    @AfterEach
    void letGo() throws InterruptedException {
        try {
            neighbour.close();
        } finally {
            never.countDown();
            log.close();
            setting.calls.close();
        }
    }

    @Test
    void aReadThatNeverReturnsCostsTheDeviceWhenItsDriverLeaves() {
        mediation.onAccess = access -> {
            block();
            return Result.DONE;
        };
        MediatedDevice device = setting.open(mediation);
        try (Threads threads = new Threads()) {
            threads.start("stuck reader", () -> device.read(Setting.access(0, 0, 4)));
            await(inside);
            setting.leave(setting.mediator);

            assertFailed(device, "calls did not return within");
            assertThat(failure()).contains("stuck reader", "MisbehaviourTest.block");
            assertThat(setting.closed).as("free for the next client").containsExactly(device);
            never.countDown();
        }
        assertThat(mediation.closed).as("a call is inside").hasValue(0);
    }

    @Test
    void aSuspendThatNeverReturnsCostsTheDevice() {
        mediation.onSuspend = () -> {
            block();
            return Optional.empty();
        };
        MediatedDevice device = setting.open(mediation);
        setting.leave(setting.mediator);

        assertFailed(device, "vendor's suspend of 0000:03:02.0 did not return within");
        assertThat(failure()).contains("MisbehaviourTest.block");
        assertThat(mediation.closed).hasValue(0);
    }

    @Test
    void aCloseThatNeverReturnsCostsTheDevice() {
        mediation.onClose = this::block;
        MediatedDevice device = setting.open(mediation);
        setting.leave(setting.mediator);

        assertFailed(device, "vendor's close of 0000:03:02.0 did not return within");
        assertThat(failure()).contains("MisbehaviourTest.block");
    }

    @Test
    void aCloseThatNeverReturnsDoesNotHoldUpTheUser() {
        mediation.onClose = this::block;
        MediatedDevice device = setting.open(mediation);
        device.close();

        assertThat(setting.closed).containsExactly(device);
        assertThat(setting.hardware.calls).containsExactly("close");
    }

    @Test
    void countersThatNeverReturnAreAskedForOnce() {
        AtomicInteger asked = new AtomicInteger();
        mediation.onCounters = () -> {
            asked.incrementAndGet();
            block();
            return Map.of();
        };
        MediatedDevice device = setting.open(mediation);

        assertRefused(Errno.EIO, device::counters).contains("vendor's counters of 0000:03:02.0 did not return within");
        assertRefused(Errno.EIO, device::counters).contains("it is not asked again");
        device.read(Setting.access(0, 0, 4));
        assertThat(mediation.reads).as("the device goes on").isEqualTo(1);
        assertThat(asked).hasValue(1);
        assertThat(setting.failures()).isEqualTo(1);
    }

    @Test
    void anOpenThatNeverReturnsIsPassedOverAndWhatItGivesLaterIsClosed() {
        wait(Duration.ofSeconds(50));
        MediatedDevice device = setting.open(new FakeMediation());
        FakeMediation good = new FakeMediation();
        setting.registered.add(Setting.mediator(8, 0, "stuck", context -> {
            block();
            return Decision.accept(mediation);
        }));
        setting.registered.add(Setting.mediator(9, 0, "good", context -> Decision.accept(good)));
        setting.leave(setting.mediator);

        assertThat(device.mediator()).contains("good");
        assertThat(setting.explanation().verdicts())
                .filteredOn(verdict -> verdict.mediator().equals("stuck"))
                .singleElement()
                .satisfies(verdict -> assertThat(verdict.reason()).contains("gave no answer within"));
        never.countDown();
        Awaitility.await().untilAsserted(() -> assertThat(mediation.closed).hasValue(1));
    }

    @Test
    void aSuspendThatThrowsLeavesTheDeviceInDoubtAndFailed() {
        mediation.onSuspend = () -> {
            throw new LinkageError("half gone");
        };
        MediatedDevice device = setting.open(mediation);
        setting.leave(setting.mediator);

        assertFailed(device, "vendor failed to suspend it: java.lang.LinkageError: half gone");
        assertThat(mediation.closed).hasValue(1);
        assertThat(setting.failures()).isEqualTo(1);
    }

    @Test
    void nullIsNoState() {
        mediation.onSuspend = () -> null;
        MediatedDevice device = setting.open(mediation);
        setting.leave(setting.mediator);

        assertFailed(device, "it returned null instead of a state");
        assertThat(mediation.closed).hasValue(1);
    }

    /** As a future that was cancelled does. */
    @Test
    void aCloseThatThrowsWhatMeansSomethingToFutures() {
        mediation.onClose = () -> {
            throw new CancellationException("given up");
        };
        MediatedDevice device = setting.open(mediation);
        setting.registered.add(Setting.mediator(8, 0, "odd", context -> {
            throw new CancellationException("given up");
        }));
        FakeMediation good = new FakeMediation();
        setting.registered.add(Setting.mediator(9, 0, "good", context -> Decision.accept(good)));
        setting.leave(setting.mediator);
        device.read(Setting.access(0, 0, 4));

        assertThat(good.reads).isEqualTo(1);
        assertThat(setting.failures()).isEqualTo(1);
    }

    /** The class it needs went with its bundle. */
    @Test
    void anExceptionThatCannotBePrinted() {
        mediation.onAccess = access -> {
            throw new UnprintableException();
        };
        mediation.onClose = () -> {
            throw new UnprintableException();
        };
        MediatedDevice device = setting.open(mediation);
        assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 0, 4))).contains("UnprintableException");
        setting.registered.add(Setting.mediator(8, 0, "odd", context -> {
            throw new UnprintableException();
        }));
        FakeMediation suspending = new FakeMediation();
        suspending.onSuspend = () -> {
            throw new UnprintableException();
        };
        Mediator good = Setting.mediator(9, 0, "good", context -> Decision.accept(suspending));
        setting.registered.add(good);
        setting.leave(setting.mediator);

        assertThat(device.mediator()).contains("good");
        assertThat(setting.failures()).isEqualTo(2);
        setting.leave(good);
        assertFailed(device, "good failed to suspend it: ");
    }

    /** Each could take all the time there is, one after the other. */
    @Test
    void opensThatNeverReturnShareOneLimit() {
        wait(Duration.ofSeconds(50));
        MediatedDevice device = setting.open(new FakeMediation());
        FakeMediation good = new FakeMediation();
        for (int number = 0; number < 3; number++) {
            setting.registered.add(Setting.mediator(8 + number, 0, "stuck", context -> {
                block();
                return Decision.decline("late");
            }));
        }
        setting.registered.add(Setting.mediator(20, 0, "good", context -> Decision.accept(good)));
        setting.leave(setting.mediator);

        assertThat(device.mediator()).contains("good");
        assertThat(setting.explanation().verdicts().stream()
                        .map(Verdict::reason)
                        .filter(reason -> reason.contains("gave no answer within"))
                        .mapToLong(reason -> Long.parseLong(reason.replaceAll("\\D+(\\d+) ms.*", "$1")))
                        .sum())
                .isBetween(1L, Setting.SHORT_LIMIT.toMillis());
    }

    @Test
    void aWaitForCallsAndACloseThatNeverReturnsShareOneLimit() {
        mediation.onAccess = access -> {
            inside.countDown();
            await(leaving);
            return Result.DONE;
        };
        mediation.onClose = this::block;
        MediatedDevice device = setting.open(mediation);
        try (Threads threads = new Threads()) {
            threads.start("reader", () -> device.read(Setting.access(0, 0, 4)));
            await(inside);
            Threads.Task closer = threads.start("closer", device::close).awaitBlocked();
            Awaitility.await().pollDelay(Setting.SHORT_LIMIT.dividedBy(4)).until(() -> true);
            leaving.countDown();
            closer.join();
        }

        assertThat(Long.parseLong(failure().replaceAll("(?s).*close of \\S+ did not return within (\\d+) ms.*", "$1")))
                .isLessThan(Setting.SHORT_LIMIT.dividedBy(2).toMillis());
    }

    @Test
    void trapNewsThatNeverReturnDoNotHoldUpTheHandOver() {
        wait(Duration.ofSeconds(50));
        setting.settings = new DeviceSettings(TrapPolicy.NEVER, Duration.ofSeconds(60), Duration.ofSeconds(50), true);
        MediatedDevice device = setting.open(new FakeMediation());
        mediation.onTrapChanged = trapped -> block();
        setting.registered.add(Setting.mediator(8, 0, "stuck", context -> {
            context.trap(true);
            return Decision.accept(mediation);
        }));
        try (Threads threads = new Threads()) {
            threads.start("framework", () -> setting.leave(setting.mediator));
        }
        device.read(Setting.access(0, 0, 4));
        await(inside);

        assertThat(mediation.reads).isEqualTo(1);
    }

    @Test
    void whatTheTrapNewsThrowIsContained() {
        mediation.onTrapChanged = trapped -> {
            throw new IllegalStateException("no news, please");
        };
        mediation.description = region -> region.withAreas(List.of(SparseArea.disablable(0, region.size())));
        setting.features.add(ClientFeature.DYNAMIC_TRAP);
        MediatedDevice device = setting.open(mediation);
        device.trap(true);
        device.connect(5, InterruptAction.TRIGGER, 0, List.of(new FakeSignal()));
        device.act(5, InterruptAction.UNMASK, 0, 1);

        assertThat(mediation.trapChanges).containsExactly(true);
        assertThat(setting.failures()).isEqualTo(1);
        assertThat(device.trapStatus().inForce()).isTrue();
    }

    @Test
    void aThreadThatWasLeftBehindReachesNothing() {
        AtomicReference<MediationContext> kept = new AtomicReference<>();
        MediatedDevice device = setting.open(context -> {
            kept.set(context);
            return Decision.accept(mediation);
        });
        setting.leave(setting.mediator);
        try (Threads threads = new Threads()) {
            threads.start("left behind", () -> {
                MediationContext context = kept.get();
                while (never.getCount() > 0) {
                    assertRefused(Errno.ENODEV, () -> context.hardware().write(Setting.access(0, 0, 4)));
                    assertRefused(Errno.ENODEV, () -> context.memory().read(0, ByteBuffer.allocate(4)));
                    assertRefused(Errno.ENODEV, () -> context.trap(true));
                    inside.countDown();
                }
            });
            await(inside);
            device.read(Setting.access(0, 0, 4));
            never.countDown();
        }
        assertThat(device.mediator()).isEmpty();
        assertThat(setting.hardware.writes).isZero();
    }

    @Test
    void whatThrowsEverywhereCostsTheRequests() {
        int calls = 1000;
        IllegalStateException broken = new IllegalStateException("broken");
        mediation.onAccess = access -> {
            throw broken;
        };
        mediation.onMmap = region -> {
            throw broken;
        };
        mediation.onCounters = () -> {
            throw broken;
        };
        mediation.onClose = () -> {
            throw broken;
        };
        MediatedDevice device = setting.open(mediation);
        for (int call = 0; call < calls; call++) {
            assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 0, 4)));
            assertRefused(Errno.EIO, () -> device.write(Setting.access(0, 0, 4)));
            assertRefused(Errno.EIO, () -> device.mmap(0));
            assertRefused(Errno.EIO, device::counters);
        }
        device.close();

        assertThat(setting.failures()).isEqualTo(4L * calls + 1);
        assertThat(setting.hardware.calls).containsExactly("close");
    }

    @Test
    void impossibleLayoutsLoseTheDevice() {
        List<List<SparseArea>> layouts = List.of(
                List.of(SparseArea.direct(0, 0x2000), SparseArea.direct(0x1000, 0x1000)),
                List.of(SparseArea.direct(0x800, 0x1000)),
                List.of(SparseArea.direct(0xf000, 0x2000)));
        layouts.forEach(areas -> {
            FakeMediation impossible = new FakeMediation();
            impossible.description = region -> region.withAreas(areas);
            setting.registered.add(Setting.mediator(8, 0, "impossible", context -> Decision.accept(impossible)));
        });
        MediatedDevice device = setting.open();

        assertThat(device.mediator()).isEmpty();
        assertThat(setting.explanation().verdicts())
                .filteredOn(verdict -> verdict.mediator().equals("impossible"))
                .extracting(Verdict::answer)
                .containsExactly(Answer.FAILED, Answer.FAILED, Answer.FAILED);
    }

    @Test
    void aDriverThatComesAndGoesAThousandTimesServesInBetween() {
        wait(Duration.ofSeconds(50));
        MediatedDevice device = setting.open(mediation);
        Mediator current = setting.mediator;
        for (int turn = 0; turn < 1000; turn++) {
            setting.leave(current);
            current = Setting.mediator(10 + turn, 0, "restless", context -> Decision.accept(new FakeMediation()));
            setting.arrive(current, device);
            neighbour.device.mediatorArrived(current);
        }
        device.write(Setting.access(0, 0, 4));

        assertThat(setting.hardware.writes).isEqualTo(1);
        assertThat(device.mediator()).contains("restless");
        // One may be the neighbour's.
        Awaitility.await().until(() -> setting.calls.busy() <= 1);
    }

    private void wait(Duration duration) {
        setting.settings = new DeviceSettings(TrapPolicy.DYNAMIC, Duration.ofSeconds(60), duration, true);
    }

    private void assertFailed(MediatedDevice device, String reason) {
        assertRefused(Errno.ENODEV, () -> device.read(Setting.access(0, 0, 4)))
                .contains("the device was failed: ", reason);
        assertThat(setting.hardware.calls).containsExactly("close");
        assertThat(setting.mediator.info().openDevices()).isZero();
        assertThat(failure()).contains("0000:03:02.0 is failed: ", reason);
    }

    private String failure() {
        return log.entries(Level.SEVERE).stream()
                .filter(entry -> entry.contains("is failed"))
                .findFirst()
                .orElse("");
    }

    /** An exception as from a bundle that has gone. */
    private static final class UnprintableException extends RuntimeException {
        private static final long serialVersionUID = 1;

        @Override
        public String getMessage() {
            throw new NoClassDefFoundError("vendor/Messages");
        }
    }

    private void block() {
        inside.countDown();
        boolean interrupted = true;
        while (interrupted) {
            try {
                never.await();
                interrupted = false;
            } catch (InterruptedException e) {
                // As stubborn as vendor code can be.
            }
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new VfioException(Errno.EINTR, "interrupted", e);
        }
    }
}
