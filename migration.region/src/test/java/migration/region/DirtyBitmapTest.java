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

    /** @param step pages, of which each report begins with a multiple */
    @ParameterizedTest
    @ValueSource(ints = {1, 8, 64})
    void reportsAgreeWithASetOfPages(int step) {
        int pages = 100_000;
        Random random = new Random(step);
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, pages * PAGE)));
        BitSet expected = new BitSet();
        for (int round = 0; round < 300; round++) {
            int marked = random.nextInt(pages);
            int end = Math.min(pages, marked + 1 + random.nextInt(300));
            bitmap.mark(marked * PAGE, (end - marked) * PAGE);
            expected.set(marked, end);

            int first = random.nextInt(pages) / step * step;
            int count = 1 + random.nextInt(pages - first);
            byte[] before = new byte[(count + 7) / 8 + random.nextInt(20)];
            random.nextBytes(before);
            ByteBuffer report = ByteBuffer.wrap(before.clone());
            bitmap.report(first * PAGE, count * PAGE, report);

            BitSet reported = BitSet.valueOf(before);
            reported.or(expected.get(first, first + count));
            assertThat(BitSet.valueOf(report)).as("round %d", round).isEqualTo(reported);
            expected.clear(first, first + count);
            assertThat(bitmap.count()).isEqualTo(expected.cardinality());
        }
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

    @Test
    void whatIsNotAcceptedStays() {
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, 512 * MIB)));
        for (long page : new long[] {3, 64, 70, 130, 40_000, 100_000}) {
            bitmap.mark(page * PAGE, 1);
        }
        Set<Long> accepted = new TreeSet<>();
        DirtyBitmap.Words picky = (page, bits) -> {
            if (!accepted.isEmpty()) {
                throw new IllegalStateException("enough");
            }
            addBits(accepted, page, bits);
        };
        assertThatThrownBy(() -> bitmap.drain(picky)).hasMessage("enough");
        assertThat(accepted).containsExactly(3L);
        accepted.clear();
        assertThatThrownBy(() -> bitmap.drain(64 * PAGE, 100 * PAGE, picky)).hasMessage("enough");
        assertThat(accepted).containsExactly(64L, 70L);
        assertThat(drain(bitmap)).containsExactly(130L, 40_000L, 100_000L);
    }

    /**
     * Two threads share the words: each marks every other block of pages, once a round, after it has written to it; a third drains
     * meanwhile, all or parts. Each page must be found when what was written can be read. A bit that is lost, or given out too early, is
     * missing in the end.
     *
     * @param block 1, as many as take a whole word and a part of one, and as many as take a whole chunk
     */
    @ParameterizedTest
    @CsvSource({"2048,1,4000", "2048,96,4000", "100000,1,200", "100000,96,2000", "200000,40000,2000"})
    void noBitIsLostToADrain(int pages, int block, int rounds) throws Exception {
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
        Random random = new Random(pages + block);
        for (int round = 1; round <= rounds; round++) {
            int written = round;
            DirtyBitmap.Words look = (page, bits) -> {
                for (long rest = bits; rest != 0; rest &= rest - 1) {
                    int at = (int) page + Long.numberOfTrailingZeros(rest);
                    if (memory.get(at) == written) {
                        seen.set(at);
                    }
                }
            };
            await(begin);
            while (done.get() < 2 * round) {
                bitmap.drain(random.nextInt(pages) * PAGE, random.nextInt(pages) * PAGE, look);
                bitmap.drain(look);
            }
            bitmap.drain(look);
            assertThat(seen.cardinality()).as("pages seen in round %d", round).isEqualTo(pages);
            assertThat(bitmap.count()).as("left in round %d", round).isZero();
            seen.clear();
        }
        CompletableFuture.allOf(writers).get(60, TimeUnit.SECONDS);
    }

    /** Nothing is marked meanwhile, so each page is in exactly one of both results. */
    @Test
    void drainsAtTheSameTimeShareThePages() throws Exception {
        int pages = 150_000;
        int part = 20_001;
        int rounds = 1500;
        DirtyBitmap bitmap = new DirtyBitmap(PAGE, List.of(new DmaRange(0, pages * PAGE)));
        AtomicIntegerArray found = new AtomicIntegerArray(pages);
        DirtyBitmap.Words words = (page, bits) -> {
            for (long rest = bits; rest != 0; rest &= rest - 1) {
                found.incrementAndGet((int) page + Long.numberOfTrailingZeros(rest));
            }
        };
        CyclicBarrier step = new CyclicBarrier(2);
        CompletableFuture<?> other = CompletableFuture.runAsync(() -> {
            for (int round = 1; round <= rounds; round++) {
                await(step);
                for (int first = 0; first < pages; first += part) {
                    bitmap.drain(first * PAGE, part * PAGE, words);
                }
                await(step);
            }
        });
        for (int round = 1; round <= rounds; round++) {
            bitmap.markAll();
            await(step);
            bitmap.drain(words);
            await(step);
            for (int page = 0; page < pages; page++) {
                if (found.get(page) != round) {
                    assertThat(found.get(page)).as("times of page %d", page).isEqualTo(round);
                }
            }
        }
        other.get(60, TimeUnit.SECONDS);
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
