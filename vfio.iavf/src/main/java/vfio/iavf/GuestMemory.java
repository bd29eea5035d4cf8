package vfio.iavf;

import java.nio.ByteBuffer;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Memory;
import vfio.pci.api.device.VfioException;
import vfio.user.client.VfioUserClient;

/**
 * Memory that the device reaches by DMA, handed out from the start to the end.
 *
 * <p>What is handed out is known by its offset; {@link #address} is what the device calls it. It goes back in the opposite
 * order, by {@link #release}.
 */
public final class GuestMemory implements AutoCloseable {
    private static final int CHUNK = 4096;

    private MappedMemory memory;
    private final WatchedMemory bytes;
    private final long iova;
    private long next;

    private GuestMemory(MappedMemory memory, long iova) {
        this.memory = memory;
        bytes = new WatchedMemory(memory);
        this.iova = iova;
    }

    /**
     * Allocates zeroed memory, not yet mapped for any device.
     *
     * @param iova where devices will find it, a multiple of 4096
     * @param size bytes, a positive multiple of 4096
     * @return the memory, owned by the caller
     */
    public static GuestMemory allocate(String name, long iova, long size) {
        return new GuestMemory(MappedMemory.allocate(name, size), iova);
    }

    /** DMA_MAP, for reading and writing. */
    public void map(VfioUserClient client) {
        client.dmaMap(iova, memory, true, true);
    }

    /**
     * Other memory takes its place, at the same address, as when a machine goes on elsewhere. Nobody uses it meanwhile.
     *
     * @param next of the same size, owned by this object from now on; the one before is closed
     */
    void replace(MappedMemory next) {
        if (next.size() != memory.size()) {
            throw new IllegalArgumentException("memory of " + next.size() + " bytes instead of " + memory.size());
        }
        MappedMemory before = memory;
        memory = next;
        bytes.replace(next);
        before.close();
    }

    /** DMA_UNMAP. */
    public void unmap(VfioUserClient client) {
        client.dmaUnmap(iova, memory.size());
    }

    /** The bytes, as the driver sees them. */
    public Memory bytes() {
        return bytes;
    }

    /** Begins, or ends, to follow what is written by the driver; what was followed before is forgotten. */
    public void watch(boolean watch) {
        bytes.watch(watch);
    }

    /** Numbers of the pages of 4096 bytes that the driver has written since that is followed, the first being 0; ascending. */
    public long[] writtenPages() {
        return bytes.writtenPages();
    }

    /** Where the device finds a byte of this memory. */
    public long address(long offset) {
        return iova + offset;
    }

    /** Where the device finds byte 0. */
    public long iova() {
        return iova;
    }

    /** Bytes. */
    public long size() {
        return memory.size();
    }

    /**
     * Takes a part, zeroed.
     *
     * @param size bytes
     * @param alignment a power of two
     * @return its offset
     * @throws VfioException ENOMEM
     */
    public long allocate(long size, int alignment) {
        long offset = (next + alignment - 1) & -alignment;
        if (size > memory.size() - offset) {
            throw new VfioException(
                    Errno.ENOMEM, "the driver's memory of " + memory.size() + " bytes is used up; give it more");
        }
        next = offset + size;
        fill(offset, size, (byte) 0);
        return offset;
    }

    /** What has been handed out so far, for {@link #release}. */
    public long mark() {
        return next;
    }

    /** Takes everything back that was handed out after a mark. */
    public void release(long mark) {
        next = mark;
    }

    /** Sets bytes. */
    public void fill(long offset, long size, byte value) {
        ByteBuffer chunk = ByteBuffer.allocate((int) Math.min(CHUNK, size));
        while (chunk.hasRemaining()) {
            chunk.put(value);
        }
        for (long at = 0; at < size; at += chunk.capacity()) {
            bytes.put(offset + at, chunk.clear().limit((int) Math.min(chunk.capacity(), size - at)));
        }
    }

    /**
     * Looks for the first byte that has another value.
     *
     * @return its offset, -1 if there is none
     */
    public long mismatch(long offset, long size, byte value) {
        long word = (value & 0xffL) * 0x0101_0101_0101_0101L;
        long at = offset;
        long end = offset + size;
        while (at < end) {
            if (at % Long.BYTES == 0 && end - at >= Long.BYTES && memory.getLong(at) == word) {
                at += Long.BYTES;
            } else if (memory.getByte(at) == value) {
                at++;
            } else {
                return at;
            }
        }
        return -1;
    }

    /** Unmaps it here; devices are told by {@link #unmap}. Idempotent. */
    @Override
    public void close() {
        memory.close();
    }
}
