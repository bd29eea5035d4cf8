package vfio.iavf;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Memory;

/**
 * Memory as the driver writes it, which can tell which pages that were: the part of a guest's memory that its VMM has to follow
 * itself, since no device knows of it. Costs nothing but a look as long as nobody watches. Safe for several threads.
 */
final class WatchedMemory implements Memory {
    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
    private static final int PAGE_SHIFT = 12;

    private volatile Memory memory;
    private volatile long @Nullable [] written;

    WatchedMemory(Memory memory) {
        this.memory = memory;
    }

    /** Other memory of the same size takes its place; nobody uses it meanwhile. */
    void replace(Memory next) {
        memory = next;
    }

    void watch(boolean watch) {
        written = watch ? new long[(int) ((memory.size() >>> PAGE_SHIFT) / Long.SIZE) + 1] : null;
    }

    /** Numbers of the pages that have been written since they are watched, ascending. */
    long[] writtenPages() {
        long[] pages = written;
        return pages == null
                ? new long[0]
                : LongStream.range(0, memory.size() >>> PAGE_SHIFT)
                        .filter(page -> ((long) WORD.getVolatile(pages, (int) (page / Long.SIZE)) >>> page & 1) != 0)
                        .toArray();
    }

    @Override
    public long size() {
        return memory.size();
    }

    @Override
    public byte getByte(long offset) {
        return memory.getByte(offset);
    }

    @Override
    public void putByte(long offset, byte value) {
        mark(offset, Byte.BYTES);
        memory.putByte(offset, value);
    }

    @Override
    public int getShort(long offset) {
        return memory.getShort(offset);
    }

    @Override
    public void putShort(long offset, int value) {
        mark(offset, Short.BYTES);
        memory.putShort(offset, value);
    }

    @Override
    public int getInt(long offset) {
        return memory.getInt(offset);
    }

    @Override
    public void putInt(long offset, int value) {
        mark(offset, Integer.BYTES);
        memory.putInt(offset, value);
    }

    @Override
    public long getLong(long offset) {
        return memory.getLong(offset);
    }

    @Override
    public void putLong(long offset, long value) {
        mark(offset, Long.BYTES);
        memory.putLong(offset, value);
    }

    @Override
    public void get(long offset, ByteBuffer destination) {
        memory.get(offset, destination);
    }

    @Override
    public void put(long offset, ByteBuffer source) {
        mark(offset, source.remaining());
        memory.put(offset, source);
    }

    private void mark(long offset, int length) {
        long[] pages = written;
        if (pages != null && length > 0) {
            long last = (offset + length - 1) >>> PAGE_SHIFT;
            for (long page = offset >>> PAGE_SHIFT; page <= last; page++) {
                WORD.getAndBitwiseOr(pages, (int) (page / Long.SIZE), 1L << page);
            }
        }
    }
}
