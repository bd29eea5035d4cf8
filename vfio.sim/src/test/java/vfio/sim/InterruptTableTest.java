package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.InterruptInfo.Flag;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;

class InterruptTableTest {
    private final AtomicBoolean requested = new AtomicBoolean();
    private final AtomicBoolean enabled = new AtomicBoolean(true);
    private final InterruptTable table = new InterruptTable(new int[] {1, 1, 40, 1, 1}, requested::get, enabled::get);
    private final CountingSignal signal = new CountingSignal();

    @Test
    void describesTheTypes() {
        assertThat(table.interruptInfo(PciInterrupt.INTX).flags())
                .containsExactlyInAnyOrder(Flag.EVENTFD, Flag.MASKABLE, Flag.AUTOMASKED);
        assertThat(table.interruptInfo(PciInterrupt.MSI).flags())
                .containsExactlyInAnyOrder(Flag.EVENTFD, Flag.NORESIZE);
        assertThat(table.interruptInfo(PciInterrupt.MSIX).flags())
                .containsExactlyInAnyOrder(Flag.EVENTFD, Flag.MASKABLE);
        assertThat(table.interruptInfo(PciInterrupt.ERR).flags())
                .containsExactlyInAnyOrder(Flag.EVENTFD, Flag.NORESIZE);
        assertThat(table.interruptInfo(PciInterrupt.REQ).flags())
                .containsExactlyInAnyOrder(Flag.EVENTFD, Flag.NORESIZE);
        assertThat(table.interruptInfo(PciInterrupt.MSIX).count()).isEqualTo(40);
    }

    @Test
    void devicesHaveTheTypesTheyAnnounce() {
        assertThat(counts(Functions.vf())).containsExactly(0, 0, 5, 1, 1);
        assertThat(counts(Functions.pf())).containsExactly(1, 1, 129, 1, 1);
        assertThat(counts(Functions.igd())).containsExactly(1, 1, 0, 0, 1);
        assertThat(counts(Functions.edu())).containsExactly(1, 1, 0, 0, 1);
    }

    /** Every cell: connected or not, masked or not, an event waiting or not; then an event, then an unmask. */
    @ParameterizedTest
    @CsvSource({
        "true,  false, 1, false, 1",
        "true,  true,  0, true,  1",
        "false, false, 0, false, 0",
        "false, true,  0, false, 0",
    })
    void eventOnEveryState(boolean connected, boolean masked, int told, boolean pending, int toldAfterUnmask) {
        if (connected) {
            connect(PciInterrupt.MSIX, 35, signal);
        }
        if (masked) {
            table.act(PciInterrupt.MSIX, InterruptAction.MASK, 35, 1);
        }
        table.fire(PciInterrupt.MSIX, 35);
        assertThat(signal.events()).isEqualTo(told);
        assertThat(table.pendingBits(PciInterrupt.MSIX, 32)).isEqualTo(pending ? 1 << 3 : 0);
        assertThat(table.pendingBits(PciInterrupt.MSIX, 0)).isZero();
        table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 35, 1);
        assertThat(signal.events()).isEqualTo(toldAfterUnmask);
        assertThat(table.pendingBits(PciInterrupt.MSIX, 32)).isZero();
    }

    @Test
    void severalEventsWhileMaskedAreOne() {
        connect(PciInterrupt.MSIX, 0, signal);
        table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 40);
        table.fire(PciInterrupt.MSIX, 0);
        table.fire(PciInterrupt.MSIX, 0);
        table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 40);
        assertThat(signal.events()).isEqualTo(1);
    }

    @Test
    void waitingEventMovesToTheNewSignal() {
        CountingSignal second = new CountingSignal();
        connect(PciInterrupt.MSIX, 2, signal);
        table.act(PciInterrupt.MSIX, InterruptAction.MASK, 2, 1);
        table.fire(PciInterrupt.MSIX, 2);
        connect(PciInterrupt.MSIX, 2, second);
        assertThat(second.events()).as("still masked").isZero();
        table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 2, 1);
        assertThat(second.events()).isEqualTo(1);
        assertThat(signal.events()).isZero();
        assertThat(signal.isClosed()).isTrue();
    }

    @Test
    void connectsAndDisconnectsVectorsOfARange() {
        CountingSignal other = new CountingSignal();
        table.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 1, List.of(signal, other));
        table.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 1, Arrays.asList((Signal) null));
        table.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, 40);
        assertThat(signal.isClosed()).isTrue();
        assertThat(other.events()).isEqualTo(1);
        assertThat(other.isClosed()).isFalse();
    }

    @Test
    void tellsMaskAndUnmask() {
        CountingSignal onMask = new CountingSignal();
        CountingSignal onUnmask = new CountingSignal();
        table.connect(PciInterrupt.MSIX, InterruptAction.MASK, 0, List.of(onMask));
        table.connect(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, List.of(onUnmask));
        table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 1);
        assertThat(onUnmask.events()).as("was not masked").isZero();
        table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
        table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
        assertThat(onMask.events()).isEqualTo(1);
        table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 1);
        assertThat(onUnmask.events()).isEqualTo(1);
    }

    @Test
    void disableDisconnectsUnmasksAndForgets() {
        connect(PciInterrupt.MSIX, 0, signal);
        table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
        table.fire(PciInterrupt.MSIX, 0);
        table.disable(PciInterrupt.MSIX);
        assertThat(signal.isClosed()).isTrue();
        CountingSignal second = new CountingSignal();
        connect(PciInterrupt.MSIX, 0, second);
        assertThat(second.events()).isZero();
        table.fire(PciInterrupt.MSIX, 0);
        assertThat(second.events()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {PciInterrupt.MSI, PciInterrupt.ERR, PciInterrupt.REQ})
    void typesWithoutMaskRefuseMaskingAndStayAsTheyWere(int index) {
        connect(index, 0, signal);
        for (InterruptAction action : List.of(InterruptAction.MASK, InterruptAction.UNMASK)) {
            CountingSignal refused = new CountingSignal();
            assertThatExceptionOfType(VfioException.class)
                    .isThrownBy(() -> table.act(index, action, 0, 1))
                    .returns(Errno.EINVAL, VfioException::errno);
            assertThatExceptionOfType(VfioException.class)
                    .isThrownBy(() -> table.connect(index, action, 0, List.of(refused)))
                    .returns(Errno.EINVAL, VfioException::errno);
            assertThat(refused.isClosed()).isFalse();
        }
        table.act(index, InterruptAction.TRIGGER, 0, 1);
        assertThat(signal.events()).isEqualTo(1);
    }

    @Test
    void absentTypeCannotBeConnected() {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> Functions.vf()
                        .interrupts()
                        .connect(PciInterrupt.INTX, InterruptAction.TRIGGER, 0, List.of(signal)))
                .returns(Errno.EINVAL, VfioException::errno);
    }

    @Test
    void intxIsToldOnceAndMasksItself() {
        connect(PciInterrupt.INTX, 0, signal);
        request(true);
        table.intxChanged();
        assertThat(signal.events()).isEqualTo(1);
    }

    @Test
    void intxIsToldAgainIfStillRequestedAtUnmask() {
        connect(PciInterrupt.INTX, 0, signal);
        request(true);
        unmaskIntx();
        assertThat(signal.events()).isEqualTo(2);
        request(false);
        unmaskIntx();
        assertThat(signal.events()).isEqualTo(2);
        request(true);
        assertThat(signal.events()).isEqualTo(3);
    }

    @Test
    void intxRequestedBeforeConnectIsToldAtConnect() {
        request(true);
        connect(PciInterrupt.INTX, 0, signal);
        assertThat(signal.events()).isEqualTo(1);
    }

    @Test
    void intxRequestThatEndsWhileMaskedIsForgotten() {
        connect(PciInterrupt.INTX, 0, signal);
        table.act(PciInterrupt.INTX, InterruptAction.MASK, 0, 1);
        request(true);
        request(false);
        unmaskIntx();
        assertThat(signal.events()).isZero();
    }

    @Test
    void intxDisableBitHoldsTheInterruptBack() {
        connect(PciInterrupt.INTX, 0, signal);
        enabled.set(false);
        request(true);
        assertThat(signal.events()).isZero();
        enabled.set(true);
        table.intxChanged();
        assertThat(signal.events()).isEqualTo(1);
    }

    @Test
    void intxFiredByTheUserIsToldOnceEvenIfMasked() {
        connect(PciInterrupt.INTX, 0, signal);
        table.act(PciInterrupt.INTX, InterruptAction.TRIGGER, 0, 1);
        assertThat(signal.events()).isEqualTo(1);
        table.act(PciInterrupt.INTX, InterruptAction.TRIGGER, 0, 1);
        assertThat(signal.events()).as("masked itself").isEqualTo(1);
        unmaskIntx();
        assertThat(signal.events()).isEqualTo(2);
        unmaskIntx();
        assertThat(signal.events()).isEqualTo(2);
    }

    @Test
    void automaskTellsTheMaskSignal() {
        CountingSignal onMask = new CountingSignal();
        table.connect(PciInterrupt.INTX, InterruptAction.MASK, 0, List.of(onMask));
        connect(PciInterrupt.INTX, 0, signal);
        request(true);
        assertThat(onMask.events()).isEqualTo(1);
    }

    @Test
    void resetForgetsEventsButKeepsConnections() {
        connect(PciInterrupt.MSIX, 0, signal);
        table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
        table.fire(PciInterrupt.MSIX, 0);
        table.reset();
        table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 1);
        assertThat(signal.events()).isZero();
        table.fire(PciInterrupt.MSIX, 0);
        assertThat(signal.events()).isEqualTo(1);
    }

    /** Otherwise an event would go to a signal that its owner has just closed, and be lost. */
    @ParameterizedTest
    @MethodSource("tellings")
    void signalIsNotToldAfterItWasTakenAway(Telling telling) {
        BlockingSignal told = new BlockingSignal();
        table.connect(telling.index(), telling.action(), 0, List.of(told));
        Thread event = Threads.start(() -> telling.event().accept(table));
        told.awaitTelling();

        Thread disconnect = Threads.start(() -> table.connect(telling.index(), telling.action(), 0, List.of(signal)));
        Threads.awaitRest(disconnect);

        assertThat(disconnect.isAlive()).as("waits for what is being told").isTrue();
        assertThat(told.isClosed()).isFalse();
        told.letGo();
        Threads.awaitEnd(event);
        Threads.awaitEnd(disconnect);
        assertThat(told.wasClosedWhileTold()).isFalse();
        assertThat(told.isClosed()).isTrue();
    }

    record Telling(String name, int index, InterruptAction action, Consumer<InterruptTable> event) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Telling> tellings() {
        return Stream.of(
                new Telling(
                        "an event",
                        PciInterrupt.MSIX,
                        InterruptAction.TRIGGER,
                        table -> table.fire(PciInterrupt.MSIX, 0)),
                new Telling(
                        "INTx",
                        PciInterrupt.INTX,
                        InterruptAction.TRIGGER,
                        table -> table.act(PciInterrupt.INTX, InterruptAction.TRIGGER, 0, 1)),
                new Telling(
                        "a mask",
                        PciInterrupt.MSIX,
                        InterruptAction.MASK,
                        table -> table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1)),
                new Telling("an unmask", PciInterrupt.MSIX, InterruptAction.UNMASK, table -> {
                    table.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
                    table.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 1);
                }));
    }

    @Test
    void everyEventOfConcurrentThreadsIsTold() throws InterruptedException {
        connect(PciInterrupt.MSIX, 0, signal);
        Runnable thousand = () -> {
            for (int round = 0; round < 1000; round++) {
                table.fire(PciInterrupt.MSIX, 0);
            }
        };
        Thread one = new Thread(thousand);
        Thread two = new Thread(thousand);
        one.start();
        two.start();
        one.join();
        two.join();
        assertThat(signal.events()).isEqualTo(2000);
    }

    private void connect(int index, int vector, Signal to) {
        table.connect(index, InterruptAction.TRIGGER, vector, List.of(to));
    }

    private void request(boolean now) {
        requested.set(now);
        table.intxChanged();
    }

    private void unmaskIntx() {
        table.act(PciInterrupt.INTX, InterruptAction.UNMASK, 0, 1);
    }

    private static List<Integer> counts(DeviceModel function) {
        return List.of(0, 1, 2, 3, 4).stream()
                .map(function.interrupts()::interruptInfo)
                .map(InterruptInfo::count)
                .toList();
    }
}
