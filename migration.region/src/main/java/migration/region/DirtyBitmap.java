package migration.region;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Which pages of some ranges of client memory have been written: one bit for each page, set by many threads without locks, and
 * taken out again without losing one that is set meanwhile. Memory for bits is allocated where bits are set, 4 KiB of it for 32,768
 * pages; setting a bit in memory that is there allocates nothing.
 *
 * <p>A bit that was set before {@link #drain} began is in its result or in that of a later one, never in both and never in none.
 */
public final class DirtyBitmap {
    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
    private static final int CHUNK_WORDS = 512;
    private static final int CHUNK_SHIFT = 15;
    private static final int CHUNK_PAGES = 1 << CHUNK_SHIFT;
    private static final long PAGE_MINIMUM = 4096;

    private final int pageShift;
    private final Area[] areas;

    /** Gets the words of a bitmap that are not 0. */
    @FunctionalInterface
    public interface Words {
        /**
         * Takes one word.
         *
         * @param page number of the page of bit 0: its address divided by the page size
         * @param bits bit i for page {@code page + i}
         */
        void word(long page, long bits);
    }

    /** The pages of a range: numbers from first to last. */
    private static final class Area {
        private final long first;
        private final long last;
        private final AtomicReferenceArray<long @Nullable []> chunks;

        Area(long first, long last) {
            this.first = first;
            this.last = last;
            long count = ((last - first) >>> CHUNK_SHIFT) + 1;
            if (count < 0 || count > Integer.MAX_VALUE - 8) {
                throw new VfioException(
                        Errno.EINVAL,
                        "a range of " + (last - first) + " pages is too large to be watched; use larger pages");
            }
            chunks = new AtomicReferenceArray<>((int) count);
        }

        long[] chunk(int index) {
            long[] chunk = chunks.get(index);
            if (chunk == null) {
                long[] fresh = new long[CHUNK_WORDS];
                chunk = chunks.compareAndExchange(index, null, fresh);
                if (chunk == null) {
                    chunk = fresh;
                }
            }
            return chunk;
        }
    }

    /**
     * A bitmap without a bit set.
     *
     * @param pageSize bytes, a power of two, 4096 at least
     * @param ranges to be watched, in any order; those that share a page are watched as one
     * @throws VfioException EINVAL if the page size is none, or a range is empty or reaches beyond 2^64
     */
    public DirtyBitmap(long pageSize, List<DmaRange> ranges) {
        if (Long.bitCount(pageSize) != 1 || pageSize < PAGE_MINIMUM) {
            throw new VfioException(
                    Errno.EINVAL,
                    pageSize + " is no page size: it must be a power of two, " + PAGE_MINIMUM + " at least");
        }
        pageShift = Long.numberOfTrailingZeros(pageSize);
        for (DmaRange range : ranges) {
            if (range.length() == 0 || Long.compareUnsigned(range.last(), range.iova()) < 0) {
                throw new VfioException(
                        Errno.EINVAL,
                        "a range of 0x%x bytes from 0x%x cannot be watched".formatted(range.length(), range.iova()));
            }
        }
        areas = joined(ranges);
    }

    /** Bytes of a page. */
    public long pageSize() {
        return 1L << pageShift;
    }

    /** Sets the bit of each page that a write touches; what is not watched is passed over. */
    public void mark(long iova, long length) {
        if (length != 0) {
            long last = (iova + (length - 1)) >>> pageShift;
            for (long page = iova >>> pageShift; page <= last; ) {
                Area area = areaOf(page);
                if (area == null) {
                    page = nextAreaAfter(page, last);
                } else {
                    page = mark(area, page, Math.min(last, area.last));
                }
            }
        }
    }

    /** Sets all bits: nobody knows any more what was written. */
    public void markAll() {
        for (Area area : areas) {
            mark(area, area.first, area.last);
        }
    }

    /** Whether the bit of a page is set. */
    public boolean isMarked(long iova) {
        long page = iova >>> pageShift;
        Area area = areaOf(page);
        if (area == null) {
            return false;
        }
        long index = page - area.first;
        long[] chunk = area.chunks.get((int) (index >>> CHUNK_SHIFT));
        return chunk != null && (((long) WORD.getVolatile(chunk, wordOf(index)) >>> index) & 1) != 0;
    }

    /** How many bits are set; those that change meanwhile may count or not. */
    public long count() {
        long count = 0;
        for (Area area : areas) {
            for (int index = 0; index < area.chunks.length(); index++) {
                long[] chunk = area.chunks.get(index);
                if (chunk != null) {
                    for (int word = 0; word < CHUNK_WORDS; word++) {
                        count += Long.bitCount((long) WORD.getOpaque(chunk, word));
                    }
                }
            }
        }
        return count;
    }

    /** Takes out all bits. */
    public void drain(Words words) {
        for (Area area : areas) {
            drain(area, area.first, area.last, words);
        }
    }

    /** Takes out the bits of the pages that a range touches. */
    public void drain(long iova, long length, Words words) {
        if (length != 0) {
            long first = iova >>> pageShift;
            long last = (iova + (length - 1)) >>> pageShift;
            for (Area area : areas) {
                if (area.first <= last && area.last >= first) {
                    drain(area, Math.max(first, area.first), Math.min(last, area.last), words);
                }
            }
        }
    }

    /**
     * Takes out the bits of a range and sets them in a bitmap as DMA_LOGGING_REPORT wants it: bit i of byte n is that of page
     * {@code 8 * n + i} of the range. Bits of the bitmap that are set stay set.
     *
     * @param iova start of a page
     * @param length bytes; a part of a page counts as one
     * @param bitmap from its position on; the position stays
     * @throws VfioException EINVAL if the range does not begin with a page or the bitmap is too short
     */
    public void report(long iova, long length, ByteBuffer bitmap) {
        long pages = (length + pageSize() - 1) >>> pageShift;
        if ((iova & (pageSize() - 1)) != 0 || pages > 8L * bitmap.remaining()) {
            throw new VfioException(
                    Errno.EINVAL,
                    "%d pages from 0x%x do not fit into a bitmap of %d bytes"
                            .formatted(pages, iova, bitmap.remaining()));
        }
        long first = iova >>> pageShift;
        ByteBuffer bytes = bitmap.slice().order(ByteOrder.LITTLE_ENDIAN);
        drain(iova, length, (page, bits) -> {
            for (long rest = bits; rest != 0; rest &= rest - 1) {
                long at = page + Long.numberOfTrailingZeros(rest) - first;
                int index = (int) (at >>> 3);
                bytes.put(index, (byte) (bytes.get(index) | (1 << (at & 7))));
            }
        });
    }

    /**
     * Sets bits; returns the page behind them. What was written before can be read by whoever takes them out. Where all bits of a
     * word are set it does not matter what was there, so storing them will do, with one fence for all.
     */
    private static long mark(Area area, long from, long to) {
        boolean stored = false;
        for (long page = from; page <= to; ) {
            long index = page - area.first;
            int low = (int) index & 63;
            int count = (int) Math.min(64 - low, to - page + 1);
            long[] chunk = area.chunk((int) (index >>> CHUNK_SHIFT));
            if (count == 64) {
                WORD.setRelease(chunk, wordOf(index), -1L);
                stored = true;
            } else {
                WORD.getAndBitwiseOr(chunk, wordOf(index), (-1L >>> (64 - count)) << low);
            }
            page += count;
        }
        if (stored) {
            VarHandle.fullFence();
        }
        return to + 1;
    }

    private static void drain(Area area, long from, long to, Words words) {
        long end = to - area.first;
        for (long index = from - area.first; index <= end; ) {
            long last = Math.min(end, index | (CHUNK_PAGES - 1));
            long[] chunk = area.chunks.get((int) (index >>> CHUNK_SHIFT));
            if (chunk != null) {
                long page = area.first + (index & -CHUNK_PAGES);
                drain(chunk, page, (int) index & (CHUNK_PAGES - 1), (int) last & (CHUNK_PAGES - 1), words);
            }
            index = last + 1;
        }
    }

    /** Takes out the bits from one to another of a chunk that begins with some page. */
    private static void drain(long[] chunk, long page, int from, int to, Words words) {
        int firstWord = from >>> 6;
        int lastWord = to >>> 6;
        for (int word = firstWord; word <= lastWord; word++) {
            if ((long) WORD.getOpaque(chunk, word) != 0) {
                long mask =
                        (word == firstWord ? -1L << from : -1L) & (word == lastWord ? -1L >>> (63 - (to & 63)) : -1L);
                long bits = (long) WORD.getAndBitwiseAnd(chunk, word, ~mask) & mask;
                if (bits != 0) {
                    words.word(page + 64L * word, bits);
                }
            }
        }
    }

    private @Nullable Area areaOf(long page) {
        int low = 0;
        int high = areas.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            Area area = areas[middle];
            if (page < area.first) {
                high = middle - 1;
            } else if (page > area.last) {
                low = middle + 1;
            } else {
                return area;
            }
        }
        return null;
    }

    private long nextAreaAfter(long page, long last) {
        for (Area area : areas) {
            if (area.first > page) {
                return area.first;
            }
        }
        return last + 1;
    }

    private static int wordOf(long index) {
        return (int) (index >>> 6) & (CHUNK_WORDS - 1);
    }

    /** As areas of whole pages, ascending, none touching another's pages. */
    private Area[] joined(List<DmaRange> ranges) {
        List<long[]> spans = new ArrayList<>();
        ranges.stream()
                .map(range -> new long[] {range.iova() >>> pageShift, range.last() >>> pageShift})
                .sorted(Comparator.comparingLong(span -> span[0]))
                .forEach(span -> {
                    long[] before = spans.isEmpty() ? null : spans.get(spans.size() - 1);
                    if (before != null && span[0] <= before[1]) {
                        before[1] = Math.max(before[1], span[1]);
                    } else {
                        spans.add(span);
                    }
                });
        return spans.stream().map(span -> new Area(span[0], span[1])).toArray(Area[]::new);
    }
}
