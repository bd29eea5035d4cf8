package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/** The state of a virtual function as its user sees it. */
class Xl710VfStateTest {
    private static final int CONTROL_1 = 0x3800;
    private static final int VECTORS = 5;
    private static final int PENDING = 0x2000;

    private final GuestMemory guest = new GuestMemory(4096);
    private final SimulatedFunction card = SimulatedFunction.physical(Functions.pf());
    private final SimulatedFunction place = card.virtual(Functions.VF_ADDRESS, 0, new HeapMemory.Factory());
    private final Hardware source = place.open(guest);
    private final Hardware target =
            card.virtual(Functions.VF_ADDRESS, 1, new HeapMemory.Factory()).open(guest);
    private final HardwareState state = source.state().orElseThrow();
    private final HardwareState other = target.state().orElseThrow();

    @Test
    void nothingIsToldWhileFrozenAndEverythingIsToldWhenThawed() {
        CountingSignal[] signals = connect(source);
        Accessor bar0 = new Accessor(source, PciRegion.BAR0);
        bar0.write(CONTROL_1, 0x18);
        state.freeze();
        bar0.write(CONTROL_1, 0x1d);
        source.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 3, 1);
        assertThat(signals).allMatch(signal -> signal.events() == 0);
        assertThat(bar0.read(CONTROL_1)).isEqualTo(0x19);
        assertThat(new Accessor(source, PciRegion.BAR3).read(PENDING)).isEqualTo(0b1000);

        state.thaw();
        assertThat(events(signals)).containsExactly(0, 1, 0, 1, 0);
        assertThat(bar0.read(CONTROL_1)).isEqualTo(0x18);
    }

    @Test
    void pendingBitsOfMaskedVectorsAreMovedAndEachVectorFiresOnce() {
        connect(source);
        CountingSignal[] signals = connect(target);
        source.act(PciInterrupt.MSIX, InterruptAction.MASK, 2, 1);
        source.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 2, 1);
        target.act(PciInterrupt.MSIX, InterruptAction.MASK, 2, 2);
        state.freeze();
        other.freeze();
        other.write(parts(state));
        assertThat(new Accessor(target, PciRegion.BAR3).read(PENDING)).isEqualTo(0b100);
        other.thaw();

        assertThat(events(signals)).containsExactly(1, 1, 0, 0, 1);
        target.act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, VECTORS);
        assertThat(events(signals)).containsExactly(1, 1, 1, 1, 1);
        other.thaw();
        assertThat(events(signals)).containsExactly(1, 1, 1, 1, 1);
    }

    @Test
    void aFunctionLevelResetThawsSilently() {
        CountingSignal[] signals = connect(source);
        Accessor bar0 = new Accessor(source, PciRegion.BAR0);
        state.freeze();
        bar0.write(CONTROL_1, 0x1d);
        source.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 3, 1);
        Accessor.config(source).write(0xa0 + PciConfig.EXP_DEVCTL, 2, PciConfig.EXP_DEVCTL_BCR_FLR);
        assertThat(events(signals)).containsOnly(0);
        bar0.write(CONTROL_1, 0x1d);
        assertThat(events(signals)).containsExactly(0, 1, 0, 0, 0);
    }

    @Test
    void staysFrozenWhenItIsClosedAndHasNothingToDoWithItsLastUser() {
        state.freeze();
        source.close();
        try (Hardware again = place.open(guest)) {
            CountingSignal[] signals = connect(again);
            new Accessor(again, PciRegion.BAR0).write(CONTROL_1, 0x1d);
            assertThat(events(signals)).containsOnly(0);
            List<Runnable> calls = List.of(state::freeze, state::thaw, () -> state.read("queues"), () -> parts(state));
            for (Runnable call : calls) {
                assertThatExceptionOfType(VfioException.class)
                        .isThrownBy(call::run)
                        .returns(Errno.ENODEV, VfioException::errno);
            }
            again.state().orElseThrow().thaw();
            assertThat(events(signals)).containsExactly(0, 1, 0, 0, 0);
        }
    }

    @Test
    void functionsThatCannotBeMovedHaveNoState() {
        try (Hardware igd = SimulatedFunction.physical(Functions.igd()).open(guest)) {
            assertThat(igd.state()).isEmpty();
        }
    }

    private static Map<String, byte[]> parts(HardwareState state) {
        return state.parts().stream().collect(Collectors.toMap(part -> part, state::read));
    }

    private static CountingSignal[] connect(Hardware function) {
        CountingSignal[] signals = new CountingSignal[VECTORS];
        for (int vector = 0; vector < VECTORS; vector++) {
            signals[vector] = new CountingSignal();
            function.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, vector, List.of(signals[vector]));
        }
        return signals;
    }

    private static List<Integer> events(CountingSignal... signals) {
        return List.of(signals).stream().map(CountingSignal::events).toList();
    }
}
