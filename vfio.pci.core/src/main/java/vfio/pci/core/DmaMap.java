package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientMemory;

/**
 * The DMA map of an open device.
 *
 * <p>Mappings stand in one array ordered by address. An access holds the read lock while it copies, and who borrows memory while it
 * is used, so a mapping is never released under a running access; a message to the client is sent without any lock. Accesses allocate nothing.
 */
final class DmaMap implements DmaSpace {
    /** As many as QEMU proposes and the kernel's type1 driver allows. */
    static final int MAXIMUM = 65_535;

    private static final Logger LOGGER = System.getLogger(DmaMap.class.getPackageName());

    private final ClientMemory clientMemory;
    private final StampedLock lock = new StampedLock();
    private DmaMapping[] mappings = new DmaMapping[8];
    private int count;

    DmaMap(ClientMemory clientMemory) {
        this.clientMemory = clientMemory;
    }

    @Override
    public void read(long iova, ByteBuffer destination) {
        long stamp = lock.readLock();
        try {
            DmaMapping mapping = readable(iova, destination.remaining());
            SharedMemory memory = mapping.memory();
            if (memory != null) {
                memory.get(iova - mapping.iova(), destination);
                return;
            }
        } finally {
            lock.unlockRead(stamp);
        }
        clientMemory.read(iova, destination);
    }

    @Override
    public void write(long iova, ByteBuffer source) {
        long stamp = lock.readLock();
        try {
            DmaMapping mapping = writable(iova, source.remaining());
            SharedMemory memory = mapping.memory();
            if (memory != null) {
                memory.put(iova - mapping.iova(), source);
                return;
            }
        } finally {
            lock.unlockRead(stamp);
        }
        clientMemory.write(iova, source);
    }

    @Override
    public int lend(long iova, int length, boolean toWrite, Borrower borrower) {
        long stamp = lock.readLock();
        try {
            DmaMapping mapping = toWrite ? writable(iova, length) : readable(iova, length);
            SharedMemory memory = mapping.memory();
            return memory == null ? -1 : borrower.use(memory, iova - mapping.iova());
        } finally {
            lock.unlockRead(stamp);
        }
    }

    @Override
    public long readLong(long iova) {
        long stamp = lock.readLock();
        try {
            DmaMapping mapping = require(iova, Long.BYTES);
            SharedMemory memory = mapping.memory();
            if (mapping.readable() && memory != null) {
                long value = memory.getLong(iova - mapping.iova());
                VarHandle.acquireFence();
                return value;
            }
        } finally {
            lock.unlockRead(stamp);
        }
        return DmaSpace.super.readLong(iova);
    }

    @Override
    public void writeLong(long iova, long value) {
        long stamp = lock.readLock();
        try {
            DmaMapping mapping = require(iova, Long.BYTES);
            SharedMemory memory = mapping.memory();
            if (mapping.writable() && memory != null) {
                VarHandle.releaseFence();
                memory.putLong(iova - mapping.iova(), value);
                return;
            }
        } finally {
            lock.unlockRead(stamp);
        }
        DmaSpace.super.writeLong(iova, value);
    }

    /** Adds a mapping and tells the hardware; on failure nothing has changed. */
    void map(DmaMapping mapping, Hardware hardware) {
        long stamp = lock.writeLock();
        try {
            int index = firstFrom(mapping.iova());
            if (index < count && mappings[index].overlaps(mapping.iova(), mapping.size())) {
                throw new VfioException(
                        Errno.EEXIST, "DMA range " + mapping + " overlaps " + mappings[index] + "; unmap that first");
            }
            if (count == MAXIMUM) {
                throw new VfioException(
                        Errno.ENOSPC, "the device has " + MAXIMUM + " DMA mappings, no more are possible");
            }
            hardware.map(mapping);
            if (count == mappings.length) {
                mappings = Arrays.copyOf(mappings, Math.min(2 * count, MAXIMUM));
            }
            System.arraycopy(mappings, index, mappings, index + 1, count - index);
            mappings[index] = mapping;
            count++;
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    /**
     * Removes the mappings of a range, which must not cut one, after accesses in progress. Behind an IOMMU of a guest the client
     * unmaps at once what it has mapped page by page.
     */
    void unmap(long iova, long size, Hardware hardware) {
        @Nullable RuntimeException failure = null;
        for (DmaMapping mapping : remove(iova, size)) {
            try {
                hardware.unmap(mapping);
            } catch (RuntimeException e) {
                failure = failure == null ? e : failure;
            } finally {
                release(mapping);
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    /** Removes all mappings; hardware that was removed, and refuses, keeps none of them. */
    void clear(Hardware hardware) {
        for (DmaMapping mapping : list()) {
            try {
                unmap(mapping.iova(), mapping.size(), hardware);
            } catch (VfioException e) {
                LOGGER.log(Level.DEBUG, "unmapping {0} failed: {1}", mapping, e.getMessage());
            }
        }
    }

    private DmaMapping[] remove(long iova, long size) {
        long last = iova + size - 1;
        long stamp = lock.writeLock();
        try {
            int first = firstFrom(iova);
            int end = size == 0 || Long.compareUnsigned(last, iova) < 0 ? first : firstFrom(last);
            if (end < count && mappings[end].last() == last) {
                end++;
            }
            boolean cut = end < count && Long.compareUnsigned(mappings[end].iova(), last) <= 0;
            if (cut || first >= end || Long.compareUnsigned(mappings[first].iova(), iova) < 0) {
                throw new VfioException(
                        Errno.ENOENT,
                        "no DMA mappings, each as a whole, are in [0x" + Long.toHexString(iova) + ", +0x"
                                + Long.toHexString(size) + ")");
            }
            DmaMapping[] removed = Arrays.copyOfRange(mappings, first, end);
            System.arraycopy(mappings, end, mappings, first, count - end);
            Arrays.fill(mappings, count - removed.length, count, null);
            count -= removed.length;
            return removed;
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    List<DmaMapping> list() {
        long stamp = lock.readLock();
        try {
            return List.of(Arrays.copyOf(mappings, count));
        } finally {
            lock.unlockRead(stamp);
        }
    }

    private DmaMapping readable(long iova, int length) {
        DmaMapping mapping = require(iova, length);
        if (!mapping.readable()) {
            throw fault("is not readable by the device", iova, length);
        }
        return mapping;
    }

    private DmaMapping writable(long iova, int length) {
        DmaMapping mapping = require(iova, length);
        if (!mapping.writable()) {
            throw fault("is not writable by the device", iova, length);
        }
        return mapping;
    }

    private DmaMapping require(long iova, int length) {
        int index = firstFrom(iova);
        if (length == 0 || index == count || !mappings[index].covers(iova, length)) {
            throw fault("is not mapped", iova, length);
        }
        return mappings[index];
    }

    /** Index of the first mapping that ends at or after an address. */
    private int firstFrom(long iova) {
        int low = 0;
        int high = count;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (Long.compareUnsigned(mappings[middle].last(), iova) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    private static void release(DmaMapping mapping) {
        @Nullable SharedMemory memory = mapping.memory();
        if (memory != null) {
            memory.close();
        }
    }

    private static VfioException fault(String why, long iova, int length) {
        return new VfioException(
                Errno.EFAULT, "DMA address 0x" + Long.toHexString(iova) + " (" + length + " bytes) " + why);
    }
}
