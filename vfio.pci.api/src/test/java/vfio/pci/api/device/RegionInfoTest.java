package vfio.pci.api.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.RegionInfo.Flag;

class RegionInfoTest {
    private static final SparseArea PAGE = SparseArea.direct(0, RegionInfo.PAGE_SIZE);

    @Test
    void flagsHaveTheBitsOfTheHeader() {
        assertThat(Flag.READ.bit()).isEqualTo(1);
        assertThat(Flag.WRITE.bit()).isEqualTo(2);
        assertThat(Flag.MMAP.bit()).isEqualTo(4);
    }

    @Test
    void isAsMappableAsItSays() {
        assertThat(RegionInfo.absent(3).mappableAreas()).isEmpty();
        assertThat(RegionInfo.trapped(3, 8192).mappableAreas()).isEmpty();
        assertThat(RegionInfo.mappable(3, 0).mappableAreas()).isEmpty();
        assertThat(RegionInfo.mappable(3, 8192).mappableAreas()).containsExactly(SparseArea.direct(0, 8192));
        assertThat(RegionInfo.mappable(3, 8192).withAreas(List.of(PAGE)).mappableAreas())
                .containsExactly(PAGE);
    }

    @Test
    void areasDecideOverTheFlag() {
        assertThat(RegionInfo.mappable(3, 8192).withAreas(List.of()).flags()).containsOnly(Flag.READ, Flag.WRITE);
        assertThat(RegionInfo.trapped(3, 8192).withAreas(List.of(PAGE)).is(Flag.MMAP))
                .isTrue();
        assertThat(RegionInfo.absent(3).withAreas(List.of()).flags()).isEmpty();
    }

    @Test
    void keepsWhatItIsUnderAnotherIndex() {
        RegionInfo region = new RegionInfo(0, 4096, Set.of(Flag.READ), List.of(), 7, 9);

        assertThat(region.withIndex(9)).isEqualTo(new RegionInfo(9, 4096, Set.of(Flag.READ), List.of(), 7, 9));
    }

    @Test
    void isNotChangedThroughWhatItWasMadeOf() {
        EnumSet<Flag> flags = EnumSet.of(Flag.READ);
        List<SparseArea> areas = new ArrayList<>(List.of(PAGE));
        RegionInfo region = new RegionInfo(0, 4096, flags, areas, 0, 0);
        flags.add(Flag.WRITE);
        areas.clear();

        assertThat(region.flags()).containsOnly(Flag.READ);
        assertThat(region.areas()).containsExactly(PAGE);
    }
}
