package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

class Xl710VfTest {
    private static final int DYN_CTL01 = 0x5c00;
    private static final int ICR01 = 0x4800;
    private static final int RSTAT = 0x8800;
    private static final int VECTORS = 5;

    private final Xl710Vf vf = Functions.vf();
    private final Accessor bar0 = new Accessor(vf, PciRegion.BAR0);
    private final Accessor bar3 = new Accessor(vf, PciRegion.BAR3);
    private final CountingSignal[] signals = new CountingSignal[VECTORS];

    private void connectAll() {
        for (int vector = 0; vector < signals.length; vector++) {
            signals[vector] = new CountingSignal();
            vf.interrupts().connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, vector, List.of(signals[vector]));
        }
    }

    @Test
    void isActiveAndOtherwiseZeroAfterPowerOn() {
        for (int offset = 0; offset < 0x10000; offset += 4) {
            assertThat(bar0.read(offset)).as("0x%x", offset).isEqualTo(offset == RSTAT ? 2 : 0);
        }
    }

    @Test
    void onlyPagesWithBehaviourStayTrapped() {
        assertThat(vf.regionInfo(PciRegion.BAR0).areas())
                .containsExactly(
                        SparseArea.direct(0, 0x3000),
                        SparseArea.direct(0x6000, 0x2000),
                        SparseArea.direct(0x9000, 0x7000));
        assertThat(vf.memory(PciRegion.BAR0)).isNotNull();
        assertThat(vf.memory(PciRegion.BAR3)).isNull();
        assertThat(vf.memory(PciRegion.CONFIG)).isNull();
    }

    @ParameterizedTest
    @ValueSource(
            ints = {0x0000, 0x203c, 0x5000, 0x6000, 0x6400, 0x7000, 0x7c00, 0x8000, 0x8400, 0xcc00, 0xd03c, 0xfffc})
    void storageKeepsWhatIsWritten(int offset) {
        bar0.write(offset, 0x8badf00d);
        assertThat(bar0.read(offset)).isEqualTo(0x8badf00d);
        SharedMemory mapped = vf.memory(PciRegion.BAR0);
        assertThat(mapped.getInt(offset)).isEqualTo(0x8badf00d);
        mapped.putInt(offset, 17);
        assertThat(bar0.read(offset)).isEqualTo(17);
    }

    @Test
    void resetStateIsWrittenByTheDeviceOnly() {
        bar0.write(RSTAT, 0);
        assertThat(bar0.read(RSTAT)).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4})
    void softwareInterruptRaisesItsVectorAndClearsTheEnableBit(int vector) {
        connectAll();
        int control = control(vector);
        bar0.write(control, 0x0100001d);
        for (int other = 0; other < signals.length; other++) {
            assertThat(signals[other].events()).as("vector %d", other).isEqualTo(other == vector ? 1 : 0);
        }
        assertThat(bar0.read(control)).as("INTENA and SWINT_TRIG read 0").isEqualTo(0x01000018);
    }

    /** INTENA before, value written, INTENA after, events told; an event is latched only if SWINT_TRIG says so. */
    @ParameterizedTest
    @CsvSource({
        "0x18, 0x18,       0x18, 0",
        "0x18, 0x19,       0x19, 0",
        "0x18, 0x1c,       0x18, 0",
        "0x18, 0x1d,       0x18, 1",
        "0x18, 0x1b,       0x19, 0",
        "0x18, 0x80000018, 0x18, 0",
        "0x18, 0x80000019, 0x18, 0",
        "0x18, 0x8000001d, 0x18, 0",
        "0x19, 0x18,       0x18, 0",
        "0x19, 0x80000018, 0x19, 0",
        "0x19, 0x8000001c, 0x18, 1",
    })
    void writesToTheControlRegister(String before, String value, String after, int told) {
        connectAll();
        bar0.write(control(1), Integer.decode(before));
        bar0.write(control(1), Long.decode(value).intValue());
        assertThat(bar0.read(control(1))).isEqualTo(Integer.decode(after));
        assertThat(signals[1].events()).isEqualTo(told);
    }

    @Test
    void intervalGoesToTheChosenThrottle() {
        bar0.write(control(2), 1 | 1 << 3 | 25 << 5);
        assertThat(bar0.read(0x2800 + 64 + 4)).isEqualTo(25);
        bar0.write(DYN_CTL01, 1 | 2 << 3 | 0xfff << 5);
        assertThat(bar0.read(0x4c08)).isEqualTo(0xfff);
        bar0.write(DYN_CTL01, 1 | 3 << 3 | 7 << 5);
        assertThat(List.of(bar0.read(0x4c00), bar0.read(0x4c04), bar0.read(0x4c08)))
                .containsExactly(0, 0, 0xfff);
    }

    @Test
    void causesAreClearedByReadingThem() {
        bar0.write(DYN_CTL01, 0x0100001d);
        bar0.write(ICR01, 0);
        assertThat(bar0.read(ICR01)).isEqualTo(0x80000001);
        assertThat(bar0.read(ICR01)).isZero();
    }

    @Test
    void controlRegisterBeyondTheVectorsDoesNoHarm() {
        connectAll();
        bar0.write(control(16), 0x1d);
        assertThat(signals).allMatch(signal -> signal.events() == 0);
        assertThat(bar0.read(control(16))).isEqualTo(0x18);
    }

    @Test
    void msixTableFollowsTheRulesOfATable() {
        for (int vector = 0; vector < VECTORS; vector++) {
            int entry = PciConfig.MSIX_ENTRY_SIZE * vector;
            assertThat(bar3.read(entry + 12)).isEqualTo(1);
            bar3.write(entry, -1);
            bar3.write(entry + 4, -1);
            bar3.write(entry + 8, -1);
            bar3.write(entry + 12, -2);
            assertThat(bar3.read(entry)).isEqualTo(-4);
            assertThat(bar3.read(entry + 4)).isEqualTo(-1);
            assertThat(bar3.read(entry + 8)).isEqualTo(-1);
            assertThat(bar3.read(entry + 12)).isZero();
        }
    }

    @Test
    void pendingBitsShowWhatIsHeldBack() {
        connectAll();
        vf.interrupts().act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 5);
        bar0.write(control(0), 0x1d);
        bar0.write(control(3), 0x1d);
        assertThat(bar3.read(0x2000, 8)).isEqualTo(0b1001);
        bar3.write(0x2000, 8, 0);
        assertThat(bar3.read(0x2000, 8)).isEqualTo(0b1001);
        vf.interrupts().act(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 1);
        assertThat(bar3.read(0x2000, 8)).isEqualTo(0b1000);
        assertThat(signals[0].events()).isEqualTo(1);
    }

    @Test
    void tableDoesNotSteerDelivery() {
        connectAll();
        assertThat(bar3.read(12)).as("masked in the table").isEqualTo(1);
        bar0.write(DYN_CTL01, 0x1d);
        assertThat(signals[0].events()).isEqualTo(1);
    }

    @Test
    void functionLevelResetRestoresRegistersAndKeepsConnections() {
        connectAll();
        bar0.write(DYN_CTL01, 0x1c);
        bar0.write(control(3), 0x1c);
        vf.memory(PciRegion.BAR0).putInt(RSTAT, 0);
        vf.memory(PciRegion.BAR0).putInt(0xfffc, 5);
        bar3.write(12, 0);
        bar3.write(0, 0xfee00000);
        Accessor.config(vf).write(0xa0 + PciConfig.EXP_DEVCTL, 2, PciConfig.EXP_DEVCTL_BCR_FLR);

        isActiveAndOtherwiseZeroAfterPowerOn();
        assertThat(bar3.read(12)).isEqualTo(1);
        assertThat(bar3.read(0)).isZero();
        bar0.write(DYN_CTL01, 0x19);
        bar0.write(control(3), 0x19);
        assertThat(signals[0].events() + signals[3].events())
                .as("latches are gone")
                .isZero();
        bar0.write(control(3), 0x1d);
        assertThat(signals[3].events()).isEqualTo(1);
    }

    private static int control(int vector) {
        return vector == 0 ? DYN_CTL01 : 0x3800 + 4 * (vector - 1);
    }
}
