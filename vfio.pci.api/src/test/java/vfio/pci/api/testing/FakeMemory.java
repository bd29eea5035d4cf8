package vfio.pci.api.testing;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;

/**
 * Shared memory in the heap, zero at first. Large ones cost nothing: what was never written has no place. {@code
 * FakeMemory::allocate} is a {@link SharedMemory.Factory}. Safe for several threads, each access a single one.
 */
public class FakeMemory implements SharedMemory {
    private static final int PAGE = RegionInfo.PAGE_SIZE;

    private final String name;
    private final long size;
    private final Map<Long, byte[]> pages = new HashMap<>();
    private boolean closed;

    /** Zeroed memory. */
    FakeMemory(String name, long size) {
        this.name = name;
        this.size = size;
    }

    /** Zeroed memory; see {@link SharedMemory.Factory#allocate}. */
    public static FakeMemory allocate(String name, long size) {
        if (size <= 0 || size % PAGE != 0) {
            throw new IllegalArgumentException(size + " is no positive multiple of " + PAGE);
        }
        return new FakeMemory(name, size);
    }

    @Override
    public long size() {
        return size;
    }

    /** Whether it has been closed; every access fails with EFAULT then. */
    public synchronized boolean isClosed() {
        return closed;
    }

    @Override
    public byte getByte(long offset) {
        return (byte) number(offset, Byte.BYTES);
    }

    @Override
    public void putByte(long offset, byte value) {
        putNumber(offset, Byte.BYTES, value);
    }

    @Override
    public int getShort(long offset) {
        return (int) number(offset, Short.BYTES);
    }

    @Override
    public void putShort(long offset, int value) {
        putNumber(offset, Short.BYTES, value);
    }

    @Override
    public int getInt(long offset) {
        return (int) number(offset, Integer.BYTES);
    }

    @Override
    public void putInt(long offset, int value) {
        putNumber(offset, Integer.BYTES, value);
    }

    @Override
    public long getLong(long offset) {
        return number(offset, Long.BYTES);
    }

    @Override
    public void putLong(long offset, long value) {
        putNumber(offset, Long.BYTES, value);
    }

    @Override
    public synchronized void get(long offset, ByteBuffer destination) {
        check(offset, destination.remaining());
        for (long at = offset; destination.hasRemaining(); at++) {
            destination.put(at(at));
        }
    }

    @Override
    public synchronized void put(long offset, ByteBuffer source) {
        check(offset, source.remaining());
        for (long at = offset; source.hasRemaining(); at++) {
            set(at, source.get());
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
    }

    @Override
    public String toString() {
        return name + ", 0x" + Long.toHexString(size) + " bytes";
    }

    private synchronized long number(long offset, int width) {
        check(offset, width);
        long value = 0;
        for (int index = width - 1; index >= 0; index--) {
            value = (value << Byte.SIZE) | (at(offset + index) & 0xff);
        }
        return value;
    }

    private synchronized void putNumber(long offset, int width, long value) {
        check(offset, width);
        for (int index = 0; index < width; index++) {
            set(offset + index, (byte) (value >>> (index * Byte.SIZE)));
        }
    }

    private byte at(long offset) {
        byte[] page = pages.get(offset / PAGE);
        return page == null ? 0 : page[(int) (offset % PAGE)];
    }

    private void set(long offset, byte value) {
        pages.computeIfAbsent(offset / PAGE, unused -> new byte[PAGE])[(int) (offset % PAGE)] = value;
    }

    private void check(long offset, int length) {
        if (closed) {
            throw new VfioException(Errno.EFAULT, this + " has been closed");
        }
        if (offset < 0 || length > size - offset) {
            throw new VfioException(
                    Errno.EFAULT, "offset 0x" + Long.toHexString(offset) + ", length " + length + " exceeds " + this);
        }
    }
}
