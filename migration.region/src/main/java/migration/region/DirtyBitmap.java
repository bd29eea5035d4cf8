package migration.region;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Which pages of some ranges of client memory have been written: one bit for each page, set by many threads without locks, and
 * taken out again without losing one that is set meanwhile. Memory for bits is allocated where bits are set, 4 KiB of it for 32,768
 * pages; setting a bit in memory that is there allocates nothing, taking bits out one such piece for each range, and one more where
 * only a part of it is asked for.
 *
 * <p>A bit that is set is in the result of a {@link #drain} that is still to end, and what was written before it was set can be read
 * then. A bit that is set during a drain may be in the result of that one and of the next, and the thread that sets it may, rarely,
 * leave as many bits of watched pages at higher addresses, which a later result has then. So results have all pages that were
 * written, and sometimes more; they are exact for as long as no drain and no setting of bits have ever overlapped.
 */
public final class DirtyBitmap {
    private static final long PAGE_MINIMUM = 4096;

    private final int pageShift;
    private final DirtyArea[] areas;

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
                DirtyArea area = areaOf(page);
                if (area == null) {
                    page = nextAreaAfter(page, last);
                } else {
                    long end = Math.min(last, area.last());
                    area.mark(page, end);
                    page = end + 1;
                }
            }
        }
    }

    /** Sets all bits: nobody knows any more what was written. */
    public void markAll() {
        for (DirtyArea area : areas) {
            area.mark(area.first(), area.last());
        }
    }

    /** Whether the bit of a page is set. */
    public boolean isMarked(long iova) {
        long page = iova >>> pageShift;
        DirtyArea area = areaOf(page);
        return area != null && area.isMarked(page);
    }

    /** How many bits are set; those that change meanwhile may count or not. */
    public long count() {
        long count = 0;
        for (DirtyArea area : areas) {
            count += area.count();
        }
        return count;
    }

    /** Takes out all bits. What {@code words} throws is passed on; the word it did not accept, and those after it, stay. */
    public void drain(Words words) {
        for (DirtyArea area : areas) {
            area.drain(area.first(), area.last(), given(words));
        }
    }

    /** Takes out the bits of the pages that a range touches, as {@link #drain(Words)} does. */
    public void drain(long iova, long length, Words words) {
        drain(iova, length, given(words));
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
        LongBuffer longs = bytes.asLongBuffer();
        drain(iova, length, (page, words, from, to) -> {
            long start = page - first;
            if ((start & 63) == 0 && start + 64L * from >= 0 && start + 64L * to <= 64L * longs.capacity()) {
                for (int word = from, at = (int) (start >> 6) + from; word < to; word++, at++) {
                    longs.put(at, longs.get(at) | words[word]);
                    words[word] = 0;
                }
            } else {
                for (int word = from; word < to; word++) {
                    set(bytes, start + 64L * word, words[word]);
                    words[word] = 0;
                }
            }
        });
    }

    private static void set(ByteBuffer bitmap, long start, long bits) {
        for (long rest = bits; rest != 0; rest &= rest - 1) {
            long bit = start + Long.numberOfTrailingZeros(rest);
            int index = (int) (bit >>> 3);
            bitmap.put(index, (byte) (bitmap.get(index) | 1 << (bit & 7)));
        }
    }

    private void drain(long iova, long length, DirtyArea.Receiver receiver) {
        if (length != 0) {
            long first = iova >>> pageShift;
            long last = (iova + (length - 1)) >>> pageShift;
            for (DirtyArea area : areas) {
                if (area.first() <= last && area.last() >= first) {
                    area.drain(Math.max(first, area.first()), Math.min(last, area.last()), receiver);
                }
            }
        }
    }

    private static DirtyArea.Receiver given(Words accepting) {
        return (page, words, from, to) -> {
            for (int word = from; word < to; word++) {
                long bits = words[word];
                if (bits != 0) {
                    accepting.word(page + 64L * word, bits);
                    words[word] = 0;
                }
            }
        };
    }

    private @Nullable DirtyArea areaOf(long page) {
        int low = 0;
        int high = areas.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            DirtyArea area = areas[middle];
            if (page < area.first()) {
                high = middle - 1;
            } else if (page > area.last()) {
                low = middle + 1;
            } else {
                return area;
            }
        }
        return null;
    }

    private long nextAreaAfter(long page, long last) {
        for (DirtyArea area : areas) {
            if (area.first() > page) {
                return area.first();
            }
        }
        return last + 1;
    }

    /** As areas of whole pages, ascending, none touching another's pages. */
    private DirtyArea[] joined(List<DmaRange> ranges) {
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
        return spans.stream().map(span -> new DirtyArea(span[0], span[1])).toArray(DirtyArea[]::new);
    }
}
