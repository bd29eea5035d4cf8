package vfio.sim;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;

/** Shared memory that nobody can share, with the bounds rules of the contract. */
public final class HeapMemory implements SharedMemory {
    final String name;
    private final ByteBuffer bytes;
    private boolean closed;

    /** Zeroed. */
    public HeapMemory(String name, long size) {
        this.name = name;
        bytes = ByteBuffer.allocate((int) size).order(ByteOrder.LITTLE_ENDIAN);
    }

    boolean isClosed() {
        return closed;
    }

    @Override
    public long size() {
        return bytes.capacity();
    }

    @Override
    public byte getByte(long offset) {
        return bytes.get(check(offset, 1));
    }

    @Override
    public void putByte(long offset, byte value) {
        bytes.put(check(offset, 1), value);
    }

    @Override
    public int getShort(long offset) {
        return bytes.getShort(check(offset, 2)) & 0xffff;
    }

    @Override
    public void putShort(long offset, int value) {
        bytes.putShort(check(offset, 2), (short) value);
    }

    @Override
    public int getInt(long offset) {
        return bytes.getInt(check(offset, 4));
    }

    @Override
    public void putInt(long offset, int value) {
        bytes.putInt(check(offset, 4), value);
    }

    @Override
    public long getLong(long offset) {
        return bytes.getLong(check(offset, 8));
    }

    @Override
    public void putLong(long offset, long value) {
        bytes.putLong(check(offset, 8), value);
    }

    @Override
    public void get(long offset, ByteBuffer destination) {
        int count = destination.remaining();
        destination.put(destination.position(), bytes, check(offset, count), count);
        destination.position(destination.position() + count);
    }

    @Override
    public void put(long offset, ByteBuffer source) {
        int count = source.remaining();
        bytes.put(check(offset, count), source, source.position(), count);
        source.position(source.position() + count);
    }

    @Override
    public void close() {
        closed = true;
    }

    private int check(long offset, int width) {
        if (closed || offset < 0 || offset > bytes.capacity() - width) {
            throw new VfioException(Errno.EFAULT, name + ": no access at " + offset);
        }
        return (int) offset;
    }

    /** Makes such memory and remembers it; can be told to run out. */
    static final class Factory implements SharedMemory.Factory {
        final List<HeapMemory> made = new ArrayList<>();
        int limit = Integer.MAX_VALUE;

        @Override
        public SharedMemory allocate(String name, long size) {
            if (size <= 0 || size % 4096 != 0) {
                throw new IllegalArgumentException("size " + size);
            }
            if (made.size() >= limit) {
                throw new VfioException(Errno.ENOMEM, "out of memory");
            }
            HeapMemory memory = new HeapMemory(name, size);
            made.add(memory);
            return memory;
        }
    }
}
