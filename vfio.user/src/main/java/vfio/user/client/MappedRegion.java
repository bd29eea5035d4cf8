package vfio.user.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;

/**
 * One region as its user reaches it: through mappings where there are any, by messages elsewhere.
 *
 * <p>An access through a mapping holds the lock for reading, so whoever has replaced the mappings with the lock held for
 * writing may unmap what was replaced. {@link #refresh} is for one thread at a time.
 */
final class MappedRegion implements AutoCloseable {
    private final VfioUserClient client;
    private final int region;
    private final StampedLock lock = new StampedLock();
    private Part[] parts = {};
    private boolean closed;

    /** Sends newcomers by message, since readers that always overlap would keep a writer waiting for ever. */
    private volatile boolean replacing;

    private record Part(long offset, long size, MappedMemory memory) {
        boolean contains(long at, int width) {
            return at >= offset && at - offset <= size - width;
        }

        boolean isOf(SparseArea area) {
            return offset == area.offset() && size == area.size();
        }
    }

    MappedRegion(VfioUserClient client, int region) {
        this.client = client;
        this.region = region;
    }

    long read(long offset, int width) {
        if (!replacing) {
            long stamp = lock.readLock();
            try {
                Part part = part(offset, width);
                if (part != null) {
                    MappedMemory memory = part.memory();
                    long at = offset - part.offset();
                    return switch (width) {
                        case 1 -> memory.getByte(at) & 0xffL;
                        case 2 -> memory.getShort(at);
                        case 4 -> memory.getInt(at) & 0xffff_ffffL;
                        default -> memory.getLong(at);
                    };
                }
            } finally {
                lock.unlockRead(stamp);
            }
        }
        return client.readRegister(region, offset, width);
    }

    void write(long offset, int width, long value) {
        if (!replacing) {
            long stamp = lock.readLock();
            try {
                Part part = part(offset, width);
                if (part != null && part.memory().writable()) {
                    MappedMemory memory = part.memory();
                    long at = offset - part.offset();
                    switch (width) {
                        case 1 -> memory.putByte(at, (byte) value);
                        case 2 -> memory.putShort(at, (int) value);
                        case 4 -> memory.putInt(at, (int) value);
                        default -> memory.putLong(at, value);
                    }
                    return;
                }
            } finally {
                lock.unlockRead(stamp);
            }
        }
        client.writeRegister(region, offset, width, value);
    }

    boolean isMapped(long offset) {
        long stamp = lock.readLock();
        try {
            return part(offset, Byte.BYTES) != null;
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /**
     * Asks what may be mapped, maps what is new and unmaps what is offered no more. If it throws, everything is as before.
     */
    void refresh() {
        RegionInfo info = client.regionInfo(region);
        List<Part> next = new ArrayList<>();
        List<Part> made = new ArrayList<>();
        boolean complete = false;
        try {
            for (SparseArea area : info.mappableAreas()) {
                Part part = mapped(area);
                if (part == null) {
                    part = map(info, area);
                    made.add(part);
                }
                next.add(part);
            }
            complete = true;
        } finally {
            if (!complete) {
                made.forEach(part -> part.memory().close());
            }
        }
        replace(next, false);
    }

    /** Unmaps everything; it may be mapped again. */
    void unmap() {
        replace(List.of(), false);
    }

    /** Unmaps everything for good. Idempotent. */
    @Override
    public void close() {
        replace(List.of(), true);
    }

    @Override
    public String toString() {
        return "region " + region;
    }

    private void replace(List<Part> next, boolean forGood) {
        List<Part> unused = new ArrayList<>();
        replacing = true;
        long stamp = lock.writeLock();
        try {
            closed |= forGood;
            unused.addAll(Arrays.asList(parts));
            if (closed) {
                unused.addAll(next);
                parts = new Part[0];
            } else {
                unused.removeAll(next);
                parts = next.toArray(Part[]::new);
            }
        } finally {
            lock.unlockWrite(stamp);
            replacing = false;
        }
        unused.forEach(part -> part.memory().close());
    }

    private Part map(RegionInfo info, SparseArea area) {
        if (area.offset() < 0 || area.size() <= 0 || area.offset() > info.size() - area.size()) {
            throw new VfioException(Errno.EPROTO, "the server offers to map " + area + " of " + info);
        }
        return new Part(area.offset(), area.size(), client.map(region, area));
    }

    private @Nullable Part mapped(SparseArea area) {
        long stamp = lock.readLock();
        try {
            for (Part part : parts) {
                if (part.isOf(area)) {
                    return part;
                }
            }
            return null;
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /** What a register lies in as a whole; null if there is no such mapping, or no such register. */
    private @Nullable Part part(long offset, int width) {
        if (width < 1 || width > Long.BYTES || Integer.bitCount(width) != 1) {
            return null;
        }
        for (Part part : parts) {
            if (part.contains(offset, width)) {
                return part;
            }
        }
        return null;
    }
}
