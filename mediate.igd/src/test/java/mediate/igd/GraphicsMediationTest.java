package mediate.igd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciRegion;

class GraphicsMediationTest {
    private final GraphicsMediation mediation = new GraphicsMediation();

    @Test
    void lets32KilobytesOfBar0BeMapped() {
        assertThat(mediation
                        .regionInfo(RegionInfo.mappable(PciRegion.BAR0, 16 << 20))
                        .areas())
                .containsExactly(SparseArea.disablable(0x8000, 0x8000));
        assertThat(mediation
                        .regionInfo(RegionInfo.mappable(PciRegion.BAR0, 0x10000))
                        .areas())
                .containsExactly(SparseArea.disablable(0x8000, 0x8000));
    }

    @Test
    void leavesOtherRegionsAlone() {
        for (RegionInfo region : List.of(
                RegionInfo.mappable(PciRegion.BAR0, 0xf000),
                RegionInfo.absent(PciRegion.BAR0),
                RegionInfo.mappable(PciRegion.BAR2, 256 << 20),
                RegionInfo.trapped(PciRegion.CONFIG, 256))) {
            assertThat(mediation.regionInfo(region)).isSameAs(region);
        }
    }

    @Test
    void countsAccessesToBar0AndPassesEverythingThrough() {
        assertThat(mediation.read(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR4))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.CONFIG))).isEqualTo(Result.PASS_THROUGH);

        assertThat(mediation.counters())
                .containsOnly(entry("bar0.reads.trapped", 1L), entry("bar0.writes.trapped", 2L));
    }

    private static RegionAccess access(int region) {
        return new RegionAccess().wrap(region, 0, 4, ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN), 0);
    }
}
