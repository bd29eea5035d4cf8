package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

@Timeout(120)
class DirtyBitmapTest {
    private static final long PAGE = 4096;
    private static final long MIB = 1 << 20;

    @Test
    void eachTouchedPageIsMarkedOnce() {
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, 64 * MIB)));
        bitmap.mark(PAGE - 1, 2);
        bitmap.mark(PAGE - 1, 1);
        bitmap.mark(10 * PAGE, PAGE);
        bitmap.mark(20 * PAGE, 0);

        assertThat(bitmap.count()).isEqualTo(3);
        assertThat(bitmap.isMarked(10 * PAGE + 17)).isTrue();
        assertThat(bitmap.isMarked(11 * PAGE)).isFalse();
        assertThat(drain(bitmap)).containsExactly(0L, 1L, 10L);
        assertThat(drain(bitmap)).isEmpty();
        assertThat(bitmap.count()).isZero();
    }

    @ParameterizedTest
    @ValueSource(longs = {4096, 65536, 2 << 20})
    void agreesWithASetOfPages(long pageSize) {
        Random random = new Random(pageSize);
        for (int round = 0; round < 20; round++) {
            long start = (random.nextLong() >>> 20) << 12;
            List<DmaRange> ranges = List.of(
                    new DmaRange(start, 300 * MIB),
                    new DmaRange(start + 700 * MIB, 1),
                    new DmaRange(start + 900 * MIB, 200 * MIB));
            DirtyBitmap bitmap = new DirtyBitmap(pageSize, ranges);
            TreeSet<Long> expected = new TreeSet<>();
            for (int write = 0; write < 200; write++) {
                long iova = start - 5 * MIB + (random.nextLong() & (2048 * MIB - 1));
                long length = random.nextInt(8) == 0 ? random.nextInt(1 << 25) : random.nextInt(10_000);
                bitmap.mark(iova, length);
                addWatched(expected, ranges, pageSize, iova, length);
            }
            assertThat(bitmap.count()).isEqualTo(expected.size());
            long from = start + (random.nextLong() & (1024 * MIB - 1));
            TreeSet<Long> part =
                    new TreeSet<>(expected.subSet(from / pageSize, true, (from + 50 * MIB - 1) / pageSize, true));
            TreeSet<Long> drained = new TreeSet<>();
            bitmap.drain(from, 50 * MIB, (page, bits) -> addBits(drained, page, bits));
            assertThat(drained).isEqualTo(part);
            expected.removeAll(part);
            assertThat(drain(bitmap)).isEqualTo(expected);
        }
    }

    @Test
    void whatIsNotWatchedIsPassedOver() {
        DirtyBitmap bitmap =
                new DirtyBitmap(PAGE, List.of(new DmaRange(100 * PAGE, PAGE), new DmaRange(200 * PAGE, PAGE)));
        bitmap.mark(0, 1000 * PAGE);
        bitmap.mark(-PAGE, PAGE);
        bitmap.mark(-1, 2);
        assertThat(drain(bitmap)).containsExactly(100L, 200L);
        assertThat(bitmap.isMarked(0)).isFalse();
    }

    @Test
    void endOfTheAddressSpaceIsMemoryToo() {
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(-4 * PAGE, 4 * PAGE)));
        bitmap.mark(-1, 1);
        assertThat(drain(bitmap)).containsExactly(-1L >>> 12);
    }

    @Test
    void rangesThatShareAPageAreOne() {
        DirtyBitmap bitmap = new DirtyBitmap(
                PAGE,
                List.of(
                        new DmaRange(5000, 10),
                        new DmaRange(4096, 100),
                        new DmaRange(4096 + 4000, 4096),
                        new DmaRange(4100, 1)));
        bitmap.markAll();
        assertThat(drain(bitmap)).containsExactly(1L, 2L);
    }

    @Test
    void markAllMarksAll() {
        DirtyBitmap bitmap =
                new DirtyBitmap(PAGE, List.of(new DmaRange(MIB, 1000 * MIB), new DmaRange(4096 * MIB, 3 * PAGE)));
        bitmap.markAll();
        assertThat(bitmap.count()).isEqualTo(1000 * MIB / PAGE + 3);
    }

    @ParameterizedTest
    @CsvSource({"0,0,1", "4095,0,1", "6000,0,1", "2048,0,1", "4096,0,0", "4096,-1,2"})
    void nonsenseIsRefused(long pageSize, long iova, long length) {
        assertThatThrownBy(() -> new DirtyBitmap(pageSize, List.of(new DmaRange(iova, length))))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
    }

    @Test
    void reportHasABitForEachPageOfTheRange() {
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, 64 * MIB)));
        BitSet expected = new BitSet();
        for (int page : new int[] {70, 71, 77, 78, 133, 134, 262}) {
            bitmap.mark(page * PAGE, 1);
            expected.set(page - 70);
        }
        bitmap.mark(69 * PAGE, 1);
        bitmap.mark(263 * PAGE, 1);
        ByteBuffer report = ByteBuffer.allocate(40);
        report.put(3, (byte) 0x80);
        expected.set(31);
        bitmap.report(70 * PAGE, 193 * PAGE - 5, report);

        assertThat(BitSet.valueOf(report)).isEqualTo(expected);
        assertThat(drain(bitmap)).containsExactly(69L, 263L);
    }

    @Test
    void reportThatDoesNotFitIsRefusedAndLosesNothing() {
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, MIB)));
        bitmap.mark(0, MIB);
        assertThatThrownBy(() -> bitmap.report(0, 9 * PAGE, ByteBuffer.allocate(1)))
                .hasMessageContaining("do not fit");
        assertThatThrownBy(() -> bitmap.report(1, PAGE, ByteBuffer.allocate(8))).hasMessageContaining("0x1 ");
        assertThat(bitmap.count()).isEqualTo(256);
    }

    /**
     * Two threads share the words: each marks every other block of pages, once a round, after it has written to it; a third drains
     * meanwhile. A bit that is lost is missing in the end, one that is given out twice is noticed at once, and what was written must
     * be seen.
     *
     * @param block 1, and as many as take a whole word and a part of one
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 96})
    void noBitIsLostToADrain(int block) throws Exception {
        int pages = 2048;
        int rounds = 4000;
        AtomicIntegerArray memory = new AtomicIntegerArray(pages);
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, pages * PAGE)));
        CyclicBarrier begin = new CyclicBarrier(3);
        AtomicInteger done = new AtomicInteger();
        CompletableFuture<?>[] writers = IntStream.range(0, 2)
                .mapToObj(thread -> CompletableFuture.runAsync(() -> {
                    for (int round = 1; round <= rounds; round++) {
                        await(begin);
                        for (int first = thread * block; first < pages; first += 2 * block) {
                            int count = Math.min(block, pages - first);
                            for (int page = first; page < first + count; page++) {
                                memory.setPlain(page, round);
                            }
                            bitmap.mark(first * PAGE, (count - 1) * PAGE + 1);
                        }
                        done.incrementAndGet();
                    }
                }))
                .toArray(CompletableFuture[]::new);
        BitSet seen = new BitSet();
        for (int round = 1; round <= rounds; round++) {
            int written = round;
            DirtyBitmap.Words look = (page, bits) -> {
                for (long rest = bits; rest != 0; rest &= rest - 1) {
                    int at = (int) page + Long.numberOfTrailingZeros(rest);
                    assertThat(!seen.get(at) && memory.get(at) == written)
                            .as(
                                    "page %d: seen before %s, memory %d in round %d",
                                    at, seen.get(at), memory.get(at), written)
                            .isTrue();
                    seen.set(at);
                }
            };
            await(begin);
            while (done.get() < 2 * round) {
                bitmap.drain(look);
            }
            bitmap.drain(look);
            assertThat(seen.cardinality()).as("pages seen in round %d", round).isEqualTo(pages);
            seen.clear();
        }
        CompletableFuture.allOf(writers).get(60, TimeUnit.SECONDS);
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await(60, TimeUnit.SECONDS);
        } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
            throw new AssertionError("the other threads do not come", e);
        }
    }

    private static Set<Long> drain(DirtyBitmap bitmap) {
        Set<Long> pages = new TreeSet<>();
        bitmap.drain((page, bits) -> addBits(pages, page, bits));
        return pages;
    }

    private static void addBits(Set<Long> pages, long page, long bits) {
        for (int bit = 0; bit < 64; bit++) {
            if ((bits >>> bit & 1) != 0) {
                assertThat(pages.add(page + bit)).isTrue();
            }
        }
    }

    private static void addWatched(Set<Long> pages, List<DmaRange> ranges, long pageSize, long iova, long length) {
        if (length == 0) {
            return;
        }
        for (DmaRange range : ranges) {
            long first = Math.max(iova / pageSize, range.iova() / pageSize);
            long last = Math.min((iova + length - 1) / pageSize, (range.iova() + range.length() - 1) / pageSize);
            for (long page = first; page <= last; page++) {
                pages.add(page);
            }
        }
    }
}
