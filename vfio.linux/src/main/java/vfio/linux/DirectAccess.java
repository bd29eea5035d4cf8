package vfio.linux;

import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Loads and stores by the processor, for memory whose pages nobody can take away.
 *
 * <p>A buffer reaches less than 2 GiB, so the memory is cut into windows. Each window reaches a page into the next one, so
 * that an access of up to 8 bytes always lies within the window in which it starts.
 */
final class DirectAccess implements MemoryAccess {
    static final int WINDOW_SHIFT = 30;
    static final int WINDOW = 1 << WINDOW_SHIFT;

    private static final int OVERLAP = 4096;

    private final ByteBuffer[] windows;

    DirectAccess(long address, long size) {
        windows = new ByteBuffer[(int) ((size + WINDOW - 1) >>> WINDOW_SHIFT)];
        for (int index = 0; index < windows.length; index++) {
            long start = (long) index << WINDOW_SHIFT;
            long length = Math.min(size - start, (long) WINDOW + OVERLAP);
            windows[index] =
                    new Pointer(address + start).getByteBuffer(0, length).order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    @Override
    public byte getByte(long offset) {
        return window(offset).get(index(offset));
    }

    @Override
    public void putByte(long offset, byte value) {
        window(offset).put(index(offset), value);
    }

    @Override
    public short getShort(long offset) {
        return window(offset).getShort(index(offset));
    }

    @Override
    public void putShort(long offset, short value) {
        window(offset).putShort(index(offset), value);
    }

    @Override
    public int getInt(long offset) {
        return window(offset).getInt(index(offset));
    }

    @Override
    public void putInt(long offset, int value) {
        window(offset).putInt(index(offset), value);
    }

    @Override
    public long getLong(long offset) {
        return window(offset).getLong(index(offset));
    }

    @Override
    public void putLong(long offset, long value) {
        window(offset).putLong(index(offset), value);
    }

    @Override
    public void get(long offset, ByteBuffer destination, int count) {
        int position = destination.position();
        int done = 0;
        while (done < count) {
            int index = index(offset + done);
            int length = Math.min(count - done, WINDOW - index);
            destination.put(position + done, window(offset + done), index, length);
            done += length;
        }
    }

    @Override
    public void put(long offset, ByteBuffer source, int count) {
        int position = source.position();
        int done = 0;
        while (done < count) {
            int index = index(offset + done);
            int length = Math.min(count - done, WINDOW - index);
            window(offset + done).put(index, source, position + done, length);
            done += length;
        }
    }

    @Override
    public void close() {
        // The windows own nothing.
    }

    private ByteBuffer window(long offset) {
        return windows[(int) (offset >>> WINDOW_SHIFT)];
    }

    private static int index(long offset) {
        return (int) offset & (WINDOW - 1);
    }
}
