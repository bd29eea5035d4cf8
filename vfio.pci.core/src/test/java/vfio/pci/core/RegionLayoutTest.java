package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.pci.core.Errors.assertRefused;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SparseArea;

class RegionLayoutTest {
    private static final long PAGE = RegionInfo.PAGE_SIZE;
    private static final int PAGES = 16;
    private static final RegionInfo HARDWARE = RegionInfo.mappable(2, PAGES * PAGE);
    private static final RegionInfo TRAPPED = RegionInfo.trapped(2, PAGES * PAGE);

    @Test
    void whatIsOfferedUnchangedStaysUnchanged() {
        RegionInfo sparse = HARDWARE.withAreas(List.of(SparseArea.direct(PAGE, PAGE)));

        assertThat(RegionLayout.effective(HARDWARE, HARDWARE)).isEqualTo(HARDWARE);
        assertThat(RegionLayout.effective(TRAPPED, TRAPPED)).isEqualTo(TRAPPED);
        assertThat(RegionLayout.effective(sparse, sparse)).isEqualTo(sparse);
        assertThat(RegionLayout.effective(RegionInfo.absent(2), RegionInfo.absent(2)))
                .isEqualTo(RegionInfo.absent(2));
    }

    @Test
    void areasOfTheMediationCutTheHardware() {
        List<SparseArea> areas = List.of(SparseArea.direct(0, PAGE), SparseArea.disablable(4 * PAGE, 2 * PAGE));

        assertThat(RegionLayout.effective(HARDWARE, HARDWARE.withAreas(areas)).areas())
                .isEqualTo(areas);
    }

    @Test
    void areasOfTheHardwareCutTheMediation() {
        RegionInfo sparse = HARDWARE.withAreas(List.of(SparseArea.direct(2 * PAGE, 4 * PAGE)));

        assertThat(RegionLayout.effective(sparse, HARDWARE).areas()).isEqualTo(sparse.areas());
        assertThat(RegionLayout.effective(
                                sparse,
                                HARDWARE.withAreas(List.of(
                                        SparseArea.disablable(0, 3 * PAGE), SparseArea.direct(5 * PAGE, 9 * PAGE))))
                        .areas())
                .containsExactly(SparseArea.disablable(2 * PAGE, PAGE), SparseArea.direct(5 * PAGE, PAGE));
    }

    @Test
    void nothingInCommonMeansNotMappable() {
        RegionInfo sparse = HARDWARE.withAreas(List.of(SparseArea.direct(0, PAGE)));
        RegionInfo offered = HARDWARE.withAreas(List.of(SparseArea.direct(PAGE, PAGE)));

        assertThat(RegionLayout.effective(sparse, offered)).isEqualTo(TRAPPED);
        assertThat(RegionLayout.effective(HARDWARE, TRAPPED)).isEqualTo(TRAPPED);
    }

    @Test
    void aMediationCannotPermitWhatTheHardwareDoesNot() {
        RegionInfo readOnly = new RegionInfo(2, PAGES * PAGE, Set.of(Flag.READ), List.of(), 0, 0);
        RegionInfo writeOnly = new RegionInfo(2, PAGES * PAGE, Set.of(Flag.WRITE), List.of(), 0, 0);

        assertThat(RegionLayout.effective(readOnly, HARDWARE)).isEqualTo(readOnly);
        assertThat(RegionLayout.effective(HARDWARE, readOnly)).isEqualTo(readOnly);
        assertThat(RegionLayout.effective(readOnly, writeOnly).flags()).isEmpty();
        assertThat(RegionLayout.effective(TRAPPED, HARDWARE.withAreas(List.of(SparseArea.direct(0, PAGE)))))
                .isEqualTo(TRAPPED);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void mapsExactlyThePagesThatBothAllow(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 500; round++) {
            RegionInfo hardware = HARDWARE.withAreas(randomAreas(random));
            RegionInfo offered = HARDWARE.withAreas(randomAreas(random));
            BitSet expected = pages(hardware);
            expected.and(pages(offered));

            RegionInfo effective = RegionLayout.effective(hardware, offered);

            assertThat(pages(effective)).as("%s offered %s", hardware, offered).isEqualTo(expected);
            assertThat(effective.is(Flag.MMAP)).isEqualTo(!expected.isEmpty());
            assertThat(RegionLayout.effective(effective, effective))
                    .as("ascending and disjoint")
                    .isEqualTo(effective);
        }
    }

    @Test
    void refusesAnotherIndex() {
        assertRefused(Errno.EINVAL, () -> RegionLayout.effective(HARDWARE, HARDWARE.withIndex(3)))
                .contains("under the index of region 2");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, PAGE, PAGES * PAGE - 1, PAGES * PAGE + 1, Long.MAX_VALUE})
    void refusesAnotherSize(long size) {
        assertRefused(Errno.EINVAL, () -> RegionLayout.effective(HARDWARE, RegionInfo.mappable(2, size)))
                .contains("has size " + size);
    }

    @Test
    void refusesANegativeSize() {
        assertRefused(Errno.EINVAL, () -> RegionLayout.effective(HARDWARE, RegionInfo.mappable(2, -PAGE)))
                .contains("negative size");
    }

    @Test
    void refusesAreasOfARegionThatIsNotMappable() {
        RegionInfo offered =
                new RegionInfo(2, PAGES * PAGE, Set.of(Flag.READ), List.of(SparseArea.direct(0, PAGE)), 0, 0);

        assertRefused(Errno.EINVAL, () -> RegionLayout.effective(HARDWARE, offered))
                .contains("not mappable");
    }

    @Test
    void refusesAreasThatAreNotWholePages() {
        for (SparseArea area : List.of(
                SparseArea.direct(1, PAGE),
                SparseArea.direct(0, PAGE - 1),
                SparseArea.direct(0, PAGE + 1),
                SparseArea.direct(2048, 2048),
                SparseArea.direct(0, 0),
                SparseArea.direct(0, -PAGE),
                SparseArea.direct(-PAGE, PAGE),
                SparseArea.direct(Long.MIN_VALUE, PAGE),
                SparseArea.direct(0, Long.MIN_VALUE))) {
            assertAreasRefused("not made of whole pages", area);
        }
    }

    @Test
    void refusesAreasThatOverlapOrDescend() {
        assertAreasRefused("overlap", SparseArea.direct(0, 2 * PAGE), SparseArea.direct(PAGE, PAGE));
        assertAreasRefused("overlap", SparseArea.direct(PAGE, PAGE), SparseArea.direct(PAGE, PAGE));
        assertAreasRefused("ascending", SparseArea.direct(4 * PAGE, PAGE), SparseArea.direct(0, PAGE));
    }

    @Test
    void refusesAreasBeyondTheEnd() {
        assertAreasRefused("beyond its end", SparseArea.direct(PAGES * PAGE, PAGE));
        assertAreasRefused("beyond its end", SparseArea.direct(0, (PAGES + 1) * PAGE));
        assertAreasRefused("beyond its end", SparseArea.direct(PAGE, Long.MAX_VALUE - PAGE + 1));
        assertAreasRefused("beyond its end", SparseArea.direct(Long.MAX_VALUE - PAGE + 1, PAGE));
    }

    @Test
    void regionsOfTheMediationAloneAreCheckedToo() {
        RegionInfo added = new RegionInfo(9, PAGE, Set.of(Flag.READ), List.of(), 0x80, 1);

        assertThat(RegionLayout.checked(added, 9)).isEqualTo(added);
        assertRefused(Errno.EINVAL, () -> RegionLayout.checked(added, 10)).contains("index");
        assertRefused(Errno.EINVAL, () -> RegionLayout.checked(RegionInfo.trapped(9, PAGE), 9))
                .contains("type");
        assertRefused(
                Errno.EINVAL,
                () -> RegionLayout.checked(new RegionInfo(9, -1, Set.of(Flag.READ), List.of(), 0x80, 1), 9));
    }

    private static void assertAreasRefused(String why, SparseArea... areas) {
        assertRefused(Errno.EINVAL, () -> RegionLayout.effective(HARDWARE, HARDWARE.withAreas(List.of(areas))))
                .contains(why);
    }

    private static List<SparseArea> randomAreas(Random random) {
        List<SparseArea> areas = new ArrayList<>();
        int page = random.nextInt(4);
        while (page < PAGES) {
            int count = Math.min(1 + random.nextInt(4), PAGES - page);
            areas.add(new SparseArea(page * PAGE, count * PAGE, random.nextBoolean()));
            page += count + random.nextInt(3);
        }
        return areas;
    }

    private static BitSet pages(RegionInfo region) {
        BitSet pages = new BitSet();
        for (SparseArea area : region.mappableAreas()) {
            pages.set((int) (area.offset() / PAGE), (int) (area.end() / PAGE));
        }
        return pages;
    }
}
