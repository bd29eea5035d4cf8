package vfio.pci.api.pci;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PciNamesTest {
    @Test
    void namesRegionsByIndex() {
        assertThat(PciRegion.name(PciRegion.BAR0)).isEqualTo("BAR0");
        assertThat(PciRegion.name(PciRegion.BAR5)).isEqualTo("BAR5");
        assertThat(PciRegion.name(PciRegion.ROM)).isEqualTo("ROM");
        assertThat(PciRegion.name(PciRegion.CONFIG)).isEqualTo("CONFIG");
        assertThat(PciRegion.name(PciRegion.VGA)).isEqualTo("VGA");
        assertThat(PciRegion.name(PciRegion.COUNT)).isEqualTo("region 9");
        assertThat(PciRegion.name(-1)).isEqualTo("region -1");
    }

    @Test
    void namesInterruptsByIndex() {
        assertThat(PciInterrupt.name(PciInterrupt.INTX)).isEqualTo("INTx");
        assertThat(PciInterrupt.name(PciInterrupt.MSIX)).isEqualTo("MSI-X");
        assertThat(PciInterrupt.name(PciInterrupt.REQ)).isEqualTo("REQ");
        assertThat(PciInterrupt.name(PciInterrupt.TRAP_CHANGED)).isEqualTo("TRAP");
        assertThat(PciInterrupt.name(6)).isEqualTo("interrupt 6");
        assertThat(PciInterrupt.name(-1)).isEqualTo("interrupt -1");
    }

    @Test
    void idsHaveFourDigitsEach() {
        assertThat(new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2).id()).isEqualTo("8086:154c");
        assertThat(new PciIds(0x1, 0x2, 0, 0, 0, 0).id()).isEqualTo("0001:0002");
        assertThat(PciIds.hex4(0x1_0000_abc)).isEqualTo("0abc");
    }
}
