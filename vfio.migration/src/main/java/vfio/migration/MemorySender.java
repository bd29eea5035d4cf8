package vfio.migration;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Migratable;

/** Sends memory of a client: all of it once, then the pages that the device has written. For one thread. */
final class MemorySender {
    /** Bytes of memory that one report covers: 1 MiB of bitmap at 4 KiB a page. */
    private static final long REPORT = 1L << 35;

    private final Link link;
    private final DmaSpace memory;
    private final List<DmaRange> ranges;
    private final Migratable device;
    private final Pace pace;
    private final Runnable check;
    private long sent;

    /**
     * @param ranges what is sent, each inside one mapping
     * @param check is called between messages; what it throws ends it
     */
    MemorySender(Link link, DmaSpace memory, List<DmaRange> ranges, Migratable device, Pace pace, Runnable check) {
        this.link = link;
        this.memory = memory;
        this.ranges = ranges;
        this.device = device;
        this.pace = pace;
        this.check = check;
    }

    /** Bytes sent. */
    long sent() {
        return sent;
    }

    void sendAll() {
        send(ranges);
    }

    /** Takes what the device has written since the last time, as ranges of whole pages. */
    List<DmaRange> takeDirty(long pageSize) {
        List<DmaRange> dirty = new ArrayList<>();
        for (DmaRange range : ranges) {
            for (long done = 0; done < range.length(); done += REPORT) {
                long length = Math.min(REPORT, range.length() - done);
                takeDirty(range.iova() + done, length, pageSize, dirty);
            }
        }
        return dirty;
    }

    void send(List<DmaRange> parts) {
        for (DmaRange part : parts) {
            for (long done = 0; done < part.length(); ) {
                int length = (int) Math.min(Link.MEMORY_MAXIMUM, part.length() - done);
                send(part.iova() + done, length);
                done += length;
            }
        }
    }

    /** Bytes of ranges. */
    static long length(List<DmaRange> ranges) {
        return ranges.stream().mapToLong(DmaRange::length).sum();
    }

    private void takeDirty(long iova, long length, long pageSize, List<DmaRange> dirty) {
        int pages = (int) ((length + pageSize - 1) / pageSize);
        ByteBuffer bitmap = ByteBuffer.allocate((pages + Long.SIZE - 1) / Long.SIZE * Long.BYTES);
        device.report(iova, length, pageSize, bitmap);
        for (int page = 0; page < pages; ) {
            int end = page;
            while (end < pages && isSet(bitmap, end)) {
                end++;
            }
            if (end > page) {
                long start = page * pageSize;
                dirty.add(new DmaRange(iova + start, Math.min(end * pageSize, length) - start));
                page = end;
            } else if (page % Byte.SIZE == 0 && bitmap.get(page / Byte.SIZE) == 0) {
                page += Byte.SIZE;
            } else {
                page++;
            }
        }
    }

    private static boolean isSet(ByteBuffer bitmap, int page) {
        return (bitmap.get(page / Byte.SIZE) >>> page % Byte.SIZE & 1) != 0;
    }

    private void send(long iova, int length) {
        check.run();
        while (!pace.mayGoOn()) {
            check.run();
        }
        link.sendMemory(memory, iova, length);
        pace.sent(length);
        sent += length;
    }
}
