package vfio.pci.api.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigInteger;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Ranges are unsigned and may end at the last address there is; the arithmetic of {@link BigInteger} is the reference. */
class DmaMappingTest {
    private static final long TOP = -1;
    private static final BigInteger SPACE = BigInteger.ONE.shiftLeft(64);

    /** Where unsigned 64-bit arithmetic goes wrong if it goes wrong. */
    private static final List<Long> CORNERS = List.of(
            0L,
            1L,
            2L,
            0xfffL,
            0x1000L,
            0x1001L,
            Long.MAX_VALUE - 1,
            Long.MAX_VALUE,
            Long.MIN_VALUE,
            Long.MIN_VALUE + 1,
            -0x1001L,
            -0x1000L,
            -0xfffL,
            -2L,
            TOP);

    @Test
    void endsAtTheLastAddressThereIs() {
        DmaMapping mapping = mapping(-0x1000, 0x1000);

        assertThat(mapping.last()).isEqualTo(TOP);
        assertThat(mapping.covers(TOP, 1)).isTrue();
        assertThat(mapping.covers(TOP, 2)).as("wraps around to 0").isFalse();
        assertThat(mapping.covers(0, 1)).isFalse();
        assertThat(mapping.overlaps(TOP, 1)).isTrue();
        assertThat(mapping.overlaps(0, 0x1000)).isFalse();
    }

    @Test
    void lengthsAreUnsignedToo() {
        DmaMapping all = mapping(0, TOP);

        assertThat(all.covers(0, TOP)).isTrue();
        assertThat(all.covers(1, TOP)).isFalse();
        assertThat(mapping(0, 0x1000).covers(0, TOP)).as("length 2^64 - 1").isFalse();
        assertThat(mapping(0, 0x1000).covers(0xfff, Long.MIN_VALUE)).isFalse();
    }

    @Test
    void agreesWithExactArithmeticInAllCorners() {
        int covered = 0;
        int overlapping = 0;
        for (long iova : CORNERS) {
            for (long size : CORNERS) {
                if (!isRange(iova, size)) {
                    continue;
                }
                DmaMapping mapping = mapping(iova, size);
                for (long address : CORNERS) {
                    for (long length : CORNERS) {
                        if (length == 0) {
                            continue;
                        }
                        boolean covers = exact(address).compareTo(exact(iova)) >= 0
                                && end(address, length).compareTo(end(iova, size)) <= 0;
                        covered += covers ? 1 : 0;
                        assertThat(mapping.covers(address, length))
                                .as("%s covers %x +%x", mapping, address, length)
                                .isEqualTo(covers);
                        if (isRange(address, length)) {
                            boolean overlaps = exact(address).compareTo(end(iova, size)) < 0
                                    && exact(iova).compareTo(end(address, length)) < 0;
                            overlapping += overlaps ? 1 : 0;
                            assertThat(mapping.overlaps(address, length))
                                    .as("%s overlaps %x +%x", mapping, address, length)
                                    .isEqualTo(overlaps);
                        }
                    }
                }
            }
        }
        assertThat(covered).isPositive();
        assertThat(overlapping).isGreaterThan(covered);
    }

    @Test
    void printsUnsigned() {
        assertThat(mapping(-0x1000, 0x1000)).hasToString("[0xfffffffffffff000, +0x1000)");
    }

    private static DmaMapping mapping(long iova, long size) {
        return new DmaMapping(iova, size, true, true, null);
    }

    private static boolean isRange(long iova, long size) {
        return size != 0 && end(iova, size).compareTo(SPACE) <= 0;
    }

    private static BigInteger end(long iova, long size) {
        return exact(iova).add(exact(size));
    }

    private static BigInteger exact(long unsigned) {
        return new BigInteger(Long.toUnsignedString(unsigned));
    }
}
