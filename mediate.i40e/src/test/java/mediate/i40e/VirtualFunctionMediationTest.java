package mediate.i40e;

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

class VirtualFunctionMediationTest {
    private final VirtualFunctionMediation mediation = new VirtualFunctionMediation();

    /** The five of the proposal; of those that trap later, both hold the tails that move when packets arrive. */
    @Test
    void offersBar0InFiveAreas() {
        RegionInfo offered = mediation.regionInfo(RegionInfo.mappable(PciRegion.BAR0, 0x10000));

        assertThat(offered.areas())
                .containsExactly(
                        SparseArea.direct(0, 0x2000),
                        SparseArea.disablable(0x2000, 0x1000),
                        SparseArea.direct(0x3000, 0x4000),
                        SparseArea.disablable(0x7000, 0x1000),
                        SparseArea.direct(0x8000, 0x8000));
    }

    @Test
    void theAreasCoverTheRegionWithoutGapOrOverlap() {
        for (long size : new long[] {0x9000, 0x10000, 0x20000}) {
            List<SparseArea> areas = mediation
                    .regionInfo(RegionInfo.mappable(PciRegion.BAR0, size))
                    .areas();
            long end = 0;
            for (SparseArea area : areas) {
                assertThat(area.offset()).isEqualTo(end);
                assertThat(area.size()).isPositive();
                end = area.end();
            }
            assertThat(end).isEqualTo(size);
        }
    }

    @Test
    void leavesARegionAloneInWhichTheAreasHaveNoRoom() {
        for (RegionInfo region : List.of(
                RegionInfo.mappable(PciRegion.BAR0, 0x8000),
                RegionInfo.absent(PciRegion.BAR0),
                RegionInfo.mappable(PciRegion.BAR3, 0x10000),
                RegionInfo.trapped(PciRegion.CONFIG, 4096))) {
            assertThat(mediation.regionInfo(region)).isSameAs(region);
        }
    }

    @Test
    void countsAccessesToBar0AndPassesEverythingThrough() {
        assertThat(mediation.read(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.CONFIG))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR3))).isEqualTo(Result.PASS_THROUGH);

        assertThat(mediation.counters())
                .containsOnly(entry("bar0.reads.trapped", 2L), entry("bar0.writes.trapped", 1L));
    }

    private static RegionAccess access(int region) {
        return new RegionAccess().wrap(region, 0, 4, ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN), 0);
    }
}
