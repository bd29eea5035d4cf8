package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciInterrupt;

/** Who gets the user's signals: the hardware itself, or a detour through the mediation. */
class ClientInterruptsTest {
    private final Vectors hardware = new Vectors();
    private final Setting setting = new Setting(hardware);
    private final Listener mediation = new Listener();
    private final FakeSignal first = new FakeSignal();
    private final FakeSignal third = new FakeSignal();

    /** Has three vectors of MSI-X, and does with signals what the contract says. */
    private static final class Vectors extends FakeHardware {
        final Map<Integer, Signal> connected = new TreeMap<>();
        boolean refuses;

        Vectors() {
            interrupts.add(InterruptInfo.absent(PciInterrupt.INTX));
            interrupts.add(InterruptInfo.absent(PciInterrupt.MSI));
            interrupts.add(new InterruptInfo(PciInterrupt.MSIX, 3, Set.of(InterruptInfo.Flag.EVENTFD)));
        }

        @Override
        public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
            if (refuses) {
                throw new VfioException(Errno.EINVAL, "refused");
            }
            super.connect(index, action, start, signals);
            for (int vector = 0; vector < signals.size(); vector++) {
                Signal signal = signals.get(vector);
                replace(signal == null ? connected.remove(start + vector) : connected.put(start + vector, signal));
            }
        }

        @Override
        public void disable(int index) {
            super.disable(index);
            connected.values().forEach(Signal::close);
            connected.clear();
        }

        void fire(int vector) {
            connected.get(vector).signal();
        }

        private static void replace(@Nullable Signal before) {
            if (before != null) {
                before.close();
            }
        }
    }

    /** Writes down what it hears. */
    private static final class Listener implements Mediation {
        final List<String> heard = new ArrayList<>();
        MediationContext context;

        Decision open(MediationContext lent) {
            context = lent;
            return Decision.accept(this);
        }

        @Override
        public void interrupt(int index, int vector) {
            heard.add(PciInterrupt.name(index) + " " + vector);
        }
    }

    @Test
    void whatNobodyHearsOfGoesToTheUserDirectly() {
        try (MediatedDevice device = setting.open(mediation::open)) {
            connect(device);

            assertThat(hardware.connected.get(0).direct()).isSameAs(first);
            hardware.fire(0);
            assertThat(first.signals).hasValue(1);
            assertThat(mediation.heard).isEmpty();
        }
    }

    @Test
    void isConnectedAnewWhenAMediationWantsToHear() {
        try (MediatedDevice device = setting.open(mediation::open)) {
            connect(device);
            hardware.calls.clear();
            mediation.context.relayInterrupts(true);

            assertThat(hardware.calls).containsExactly("connect 2 TRIGGER 0 3");
            assertThat(hardware.connected.get(0).direct()).isNotSameAs(first);
            hardware.fire(0);
            hardware.fire(2);
            assertThat(mediation.heard).containsExactly("MSI-X 0", "MSI-X 2");
            assertThat(first.signals).hasValue(1);
            assertThat(third.signals).hasValue(1);
            assertThat(first.closed).hasValue(0);
        }
        assertThat(first.closed).hasValue(1);
        assertThat(third.closed).hasValue(1);
    }

    @Test
    void isConnectedDirectlyAgainWhenItWantsNoMore() {
        try (MediatedDevice device = setting.open(mediation::open)) {
            mediation.context.relayInterrupts(true);
            connect(device);
            mediation.context.relayInterrupts(false);

            assertThat(hardware.connected.get(0).direct()).isSameAs(first);
            assertThat(hardware.connected.get(2).direct()).isSameAs(third);
            hardware.calls.clear();
            mediation.context.relayInterrupts(false);
            assertThat(hardware.calls).isEmpty();
        }
        assertThat(first.closed).hasValue(1);
    }

    @Test
    void whatWasWishedWhileOpeningHolds() {
        try (MediatedDevice device = setting.open(context -> {
            context.relayInterrupts(true);
            return mediation.open(context);
        })) {
            connect(device);
            hardware.fire(2);
            assertThat(mediation.heard).containsExactly("MSI-X 2");
        }
    }

    @Test
    void theSuccessorDecidesAnew() {
        try (MediatedDevice device = setting.open(mediation::open)) {
            connect(device);
            mediation.context.relayInterrupts(true);
            Mediator next = Setting.mediator(9, 5, "next", context -> Decision.accept(new FakeMediation()));
            device.rebind(List.of(next));

            assertThat(device.mediator()).contains("next");
            assertThat(hardware.connected.get(0).direct()).isSameAs(first);
        }
    }

    @Test
    void aReplacedSignalIsClosedOnce() {
        try (MediatedDevice device = setting.open(mediation::open)) {
            connect(device);
            mediation.context.relayInterrupts(true);
            FakeSignal other = new FakeSignal();
            device.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, List.of(other));

            assertThat(first.closed).hasValue(1);
            mediation.context.relayInterrupts(false);
            assertThat(hardware.connected.get(0).direct()).isSameAs(other);
            assertThat(first.closed).hasValue(1);
        }
    }

    @Test
    void whatTheHardwareRefusesStaysTheUsers() {
        try (MediatedDevice device = setting.open(mediation::open)) {
            hardware.refuses = true;
            assertThatThrownBy(() -> connect(device)).isInstanceOf(VfioException.class);
            assertThat(first.closed).hasValue(0);

            hardware.refuses = false;
            connect(device);
            hardware.refuses = true;
            assertThatThrownBy(() -> mediation.context.relayInterrupts(true)).isInstanceOf(VfioException.class);
            hardware.refuses = false;
            assertThat(hardware.connected.get(0).direct()).isSameAs(first);
            assertThat(first.closed).hasValue(0);
        }
        assertThat(first.closed).hasValue(1);
    }

    private void connect(MediatedDevice device) {
        device.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, Arrays.asList(first, null, third));
    }
}
