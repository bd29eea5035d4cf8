package mediate.i40e;

import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import migration.region.DirtyBitmap;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.mediate.MediationContext;

/** The pages that a tracker says are dirty. Counts what is marked, once for each time. */
final class DirtyPages {
    private final DirtyBitmap bitmap;
    private final LongAdder marked;
    private final int pageShift;

    /**
     * Pages of some ranges, or of all that is mapped now if there are none.
     *
     * @param pageSize is used if it can be
     */
    DirtyPages(MediationContext context, long pageSize, List<DmaRange> ranges, LongAdder marked) {
        long used = Long.bitCount(pageSize) == 1 && pageSize >= RegionInfo.PAGE_SIZE ? pageSize : RegionInfo.PAGE_SIZE;
        List<DmaRange> all = ranges.isEmpty()
                ? context.mappings().stream()
                        .map(mapping -> new DmaRange(mapping.iova(), mapping.size()))
                        .toList()
                : ranges;
        bitmap = new DirtyBitmap(used, all);
        pageShift = Long.numberOfTrailingZeros(used);
        this.marked = marked;
    }

    DirtyBitmap bitmap() {
        return bitmap;
    }

    void mark(long iova, long length) {
        if (length > 0) {
            bitmap.mark(iova, length);
            marked.add(((iova + length - 1) >>> pageShift) - (iova >>> pageShift) + 1);
        }
    }

    void markAll() {
        bitmap.markAll();
    }
}
