package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.pci.core.Errors.assertRefused;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Level;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.TrapStatus.Mode;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciInterrupt;

/** The handshake by which disablable areas become trapped, through the open device. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TrapSwitchTest {
    private static final SparseArea DIRECT = SparseArea.direct(0, 0x1000);
    private static final SparseArea DISABLABLE = SparseArea.disablable(0x1000, 0x1000);

    private final Setting setting = new Setting();
    private final FakeMediation mediation = disablable(new FakeMediation());
    private final FakeSignal signal = new FakeSignal();
    private final List<MediationContext> contexts = new ArrayList<>();
    private final CapturedLog log = new CapturedLog();

    @AfterEach
    void close() {
        log.close();
        setting.calls.close();
    }

    @Test
    void trappingIsInForceOnceTheClientHasConfirmed() {
        MediatedDevice device = openAware();
        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT, DISABLABLE);
        assertThat(context().trap(true)).isFalse();

        assertThat(signal.signals).hasValue(1);
        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT);
        assertThat(context().trapRequested()).isTrue();
        assertThat(mediation.trapChanges).as("the client may still map").isEmpty();
        assertThat(device.trapStatus().inForce()).isFalse();
        acknowledge(device);
        assertThat(mediation.trapChanges).containsExactly(true);
        assertThat(device.trapStatus().inForce()).isTrue();
        assertThat(device.trapStatus().switches()).isEqualTo(1);
        assertThat(device.trapStatus().lastSwitch()).isPositive();
        assertThat(context().trap(true)).as("again").isTrue();
    }

    @Test
    void untrappingHoldsAtOnceAndTheClientIsTold() {
        MediatedDevice device = openTrapped();
        assertThat(context().trap(false)).isFalse();

        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT, DISABLABLE);
        assertThat(device.trapStatus().inForce()).isFalse();
        assertThat(signal.signals).hasValue(2);
        assertThat(mediation.trapChanges).as("it asked itself").containsExactly(true);
        acknowledge(device);
        assertThat(device.trapStatus().switches()).isEqualTo(2);
        assertThat(mediation.trapChanges).containsExactly(true);
    }

    /** The client may have looked before the second change. */
    @Test
    void anAcknowledgementCountsForTheLayoutThatWasSignalledLast() {
        MediatedDevice device = openAware();
        context().trap(true);
        context().trap(false);
        context().trap(true);
        assertThat(signal.signals).as("masked since the first").hasValue(1);
        acknowledge(device);

        assertThat(device.trapStatus().inForce()).isFalse();
        assertThat(mediation.trapChanges).isEmpty();
        assertThat(signal.signals).as("look again").hasValue(2);
        acknowledge(device);
        assertThat(device.trapStatus().inForce()).isTrue();
        assertThat(mediation.trapChanges).containsExactly(true);
    }

    @Test
    void anAcknowledgementWithoutASignalCountsForNothing() {
        MediatedDevice device = openAware();
        acknowledge(device);
        device.act(PciInterrupt.TRAP_CHANGED, InterruptAction.TRIGGER, 0, 1);
        acknowledge(device);

        assertThat(signal.signals).hasValue(1);
        assertThat(device.trapStatus().switches()).isZero();
        assertThat(mediation.trapChanges).isEmpty();
    }

    @Test
    void aClientThatNeverConfirmsCostsTheRequest() {
        patience(Duration.ofMillis(20));
        MediatedDevice device = openAware();
        context().trap(true);
        Awaitility.await().until(() -> device.trapStatus().missed() == 1);

        Awaitility.await().untilAsserted(() -> assertThat(mediation.trapChanges).containsExactly(false));
        assertThat(context().trapRequested()).isFalse();
        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT, DISABLABLE);
        assertThat(log.entries(Level.WARNING)).singleElement().asString().contains("did not confirm within 20 ms");
        acknowledge(device);
        assertThat(device.trapStatus().inForce()).as("late").isFalse();
        assertThat(signal.signals).as("it may map again").hasValue(2);
        assertThat(mediation.trapChanges).containsExactly(false);
    }

    @Test
    void aClientThatWiresTheInterruptLateIsTold() {
        setting.features.add(ClientFeature.DYNAMIC_TRAP);
        MediatedDevice device = open();
        context().trap(true);
        connect(device);

        assertThat(signal.signals).hasValue(1);
        acknowledge(device);
        assertThat(device.trapStatus().inForce()).isTrue();
    }

    @Test
    void aClientThatReplacesTheSignalInBetweenIsToldAgain() {
        MediatedDevice device = openAware();
        context().trap(true);
        FakeSignal replacement = new FakeSignal();
        device.connect(PciInterrupt.TRAP_CHANGED, InterruptAction.TRIGGER, 0, List.of(replacement));

        assertThat(replacement.signals).hasValue(1);
        acknowledge(device);
        assertThat(device.trapStatus().inForce()).isTrue();
        device.disable(PciInterrupt.TRAP_CHANGED);
        connect(device);
        assertThat(signal.signals).as("nothing is new").hasValue(1);
    }

    @Test
    void aClientThatDiesInBetweenEndsIt() {
        patience(Duration.ofMillis(500));
        MediatedDevice device = openAware();
        context().trap(true);
        device.close();

        assertThat(signal.closed).hasValue(1);
        assertThat(mediation.closed).hasValue(1);
        Awaitility.await().during(Duration.ofMillis(700)).untilAsserted(() -> assertThat(mediation.trapChanges)
                .isEmpty());
        assertRefused(Errno.ENODEV, () -> context().trap(true));
        assertRefused(Errno.ENODEV, () -> device.trap(true));
    }

    @Test
    void aClientThatDoesNotKnowIsTrappedFromOpenOn() {
        MediatedDevice device = open();

        assertThat(device.interruptCount()).isEqualTo(setting.hardware.interruptCount());
        assertRefused(Errno.EINVAL, () -> device.interruptInfo(PciInterrupt.TRAP_CHANGED));
        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT);
        assertThat(device.trapStatus().mode()).isEqualTo(Mode.ALWAYS);
        assertThat(context().trap(true)).isTrue();
        assertThat(mediation.trapChanges).isEmpty();
    }

    @Test
    void alwaysTrapsEvenThoseWhoKnow() {
        policy(TrapPolicy.ALWAYS);
        MediatedDevice device = openAware();

        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT);
        assertThat(context().trap(true)).isTrue();
        assertThat(signal.signals).hasValue(0);
        assertThat(device.trapStatus().reason()).contains("trap=always");
    }

    @Test
    void neverRefusesToTrap() {
        policy(TrapPolicy.NEVER);
        MediatedDevice device = open();

        assertThat(device.regionInfo(0).areas())
                .containsExactly(DIRECT, SparseArea.direct(DISABLABLE.offset(), DISABLABLE.size()));
        assertRefused(Errno.EOPNOTSUPP, () -> context().trap(true)).contains("trap=never");
        assertThat(context().trap(false)).isFalse();
        assertRefused(Errno.EOPNOTSUPP, () -> device.trap(true));
    }

    @Test
    void whereNothingIsDisablableNothingCanBeTrapped() {
        mediation.description = region -> region;
        setting.features.add(ClientFeature.DYNAMIC_TRAP);
        MediatedDevice device = open();

        assertThat(device.trapStatus().mode()).isEqualTo(Mode.NONE);
        assertRefused(Errno.EOPNOTSUPP, () -> device.trap(true)).contains("no area of it is disablable");
    }

    @Test
    void theAdministratorTrapsBesideTheMediation() {
        MediatedDevice device = openAware();
        device.trap(true);
        acknowledge(device);
        assertThat(mediation.trapChanges).containsExactly(true);
        assertThat(context().trap(true)).as("in force already").isTrue();
        assertThat(context().trap(false)).as("the administrator wants it").isTrue();
        device.trap(false);

        assertThat(mediation.trapChanges).containsExactly(true, false);
        assertThat(device.trapStatus().requested()).isFalse();
    }

    @Test
    void theTrapStaysInForceForASuccessorThatWantsIt() {
        MediatedDevice device = openTrapped();
        FakeMediation successor = disablable(new FakeMediation());
        mediation.onSuspend = () -> Optional.of(new HandOverState("trap", 1, new byte[1]));
        List<Boolean> inForce = new ArrayList<>();
        device.rebind(List.of(Setting.mediator(8, 0, "successor", context -> {
            context.handedOver();
            inForce.add(context.trap(true));
            return Decision.accept(successor);
        })));

        assertThat(inForce).containsExactly(true);
        assertThat(device.trapStatus().inForce()).isTrue();
        assertThat(signal.signals).as("nothing has changed for the client").hasValue(1);
        assertThat(successor.trapChanges).as("it knows").isEmpty();
    }

    @Test
    void aSuccessorThatDoesNotWantTheTrapEndsIt() {
        MediatedDevice device = openTrapped();
        FakeMediation successor = disablable(new FakeMediation());
        device.rebind(List.of(Setting.mediator(8, 0, "successor", context -> Decision.accept(successor))));

        assertThat(device.trapStatus().requested()).isFalse();
        assertThat(signal.signals).hasValue(2);
    }

    @Test
    void aDeviceThatIsPassedThroughAgainIsUntrapped() {
        MediatedDevice device = openTrapped();
        setting.leave(setting.mediator);

        assertThat(device.trapStatus().mode()).isEqualTo(Mode.NONE);
        assertThat(device.trapStatus().inForce()).isFalse();
        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT, DISABLABLE);
        assertThat(signal.signals).as("it may map again").hasValue(2);
    }

    /** Before it has the device it can only wish. */
    @Test
    void aWishWhileOpeningIsFulfilledAfterwards() {
        setting.features.add(ClientFeature.DYNAMIC_TRAP);
        MediatedDevice device = setting.open(context -> {
            assertThat(context.trap(true)).isFalse();
            assertThat(context.trapRequested()).isTrue();
            return Decision.accept(mediation);
        });

        assertThat(device.regionInfo(0).areas()).containsExactly(DIRECT);
        connect(device);
        acknowledge(device);
        assertThat(mediation.trapChanges).containsExactly(true);
    }

    @Test
    void aWishThatIsFulfilledAtOnceIsAnswered() {
        policy(TrapPolicy.ALWAYS);
        setting.open(context -> {
            assertThat(context.trap(true)).as("nothing is known yet").isFalse();
            return Decision.accept(mediation);
        });

        Awaitility.await().untilAsserted(() -> assertThat(mediation.trapChanges).containsExactly(true));
    }

    @Test
    void aWishThatCannotBeFulfilledIsAnswered() {
        policy(TrapPolicy.NEVER);
        setting.open(context -> {
            context.trap(true);
            return Decision.accept(mediation);
        });

        Awaitility.await().untilAsserted(() -> assertThat(mediation.trapChanges).containsExactly(false));
    }

    /** The news of two changes are told by two threads; whichever is told last, the mediation ends up with what holds. */
    @Test
    void newsThatOvertakeEachOtherAreSetRight() {
        AtomicReference<Boolean> last = new AtomicReference<>();
        MediatedDevice device = openAware();
        device.trap(true);
        mediation.onTrapChanged = trapped -> {
            if (trapped && last.get() == null) {
                try (Threads threads = new Threads()) {
                    threads.start("administrator", () -> device.trap(false));
                }
            }
            last.set(trapped);
        };
        acknowledge(device);

        assertThat(device.trapStatus().inForce()).isFalse();
        assertThat(last).hasValue(false);
    }

    @Test
    void theInterruptIsWhatItIs() {
        MediatedDevice device = openAware();

        assertThat(device.interruptCount()).isEqualTo(PciInterrupt.TRAP_CHANGED + 1);
        assertThat(device.interruptInfo(PciInterrupt.TRAP_CHANGED)).isEqualTo(TrapSwitch.INTERRUPT);
        assertThat(device.interruptInfo(PciInterrupt.REQ).count())
                .as("not of this hardware")
                .isZero();
        assertRefused(
                Errno.EINVAL,
                () -> device.connect(PciInterrupt.TRAP_CHANGED, InterruptAction.MASK, 0, List.of(signal)));
        device.disable(PciInterrupt.TRAP_CHANGED);
        assertThat(signal.closed).hasValue(1);
        context().trap(true);
        assertThat(signal.signals).hasValue(0);
    }

    @Test
    void aMaskedInterruptIsToldWhenItIsUnmasked() {
        MediatedDevice device = openAware();
        device.act(PciInterrupt.TRAP_CHANGED, InterruptAction.MASK, 0, 1);
        context().trap(true);
        assertThat(signal.signals).hasValue(0);
        acknowledge(device);

        assertThat(signal.signals).hasValue(1);
        assertThat(device.trapStatus().inForce()).isFalse();
        acknowledge(device);
        assertThat(device.trapStatus().inForce()).isTrue();
    }

    private MediatedDevice openAware() {
        setting.features.add(ClientFeature.DYNAMIC_TRAP);
        MediatedDevice device = open();
        connect(device);
        return device;
    }

    private MediatedDevice openTrapped() {
        MediatedDevice device = openAware();
        context().trap(true);
        acknowledge(device);
        return device;
    }

    private MediatedDevice open() {
        return setting.open(context -> {
            contexts.add(context);
            return Decision.accept(mediation);
        });
    }

    private static FakeMediation disablable(FakeMediation mediation) {
        mediation.description = region -> region.withAreas(List.of(DIRECT, DISABLABLE));
        return mediation;
    }

    private void connect(MediatedDevice device) {
        device.connect(PciInterrupt.TRAP_CHANGED, InterruptAction.TRIGGER, 0, List.of(signal));
    }

    private static void acknowledge(MediatedDevice device) {
        device.act(PciInterrupt.TRAP_CHANGED, InterruptAction.UNMASK, 0, 1);
    }

    private MediationContext context() {
        return contexts.get(0);
    }

    private void policy(TrapPolicy policy) {
        setting.settings = new DeviceSettings(policy, Duration.ofSeconds(60), Duration.ZERO, true);
    }

    private void patience(Duration patience) {
        setting.settings = new DeviceSettings(TrapPolicy.DYNAMIC, patience, Duration.ZERO, true);
    }
}
