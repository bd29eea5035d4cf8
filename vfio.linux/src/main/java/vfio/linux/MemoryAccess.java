package vfio.linux;

import java.nio.ByteBuffer;

/**
 * A way to reach mapped bytes. Callers have checked bounds, permission and that the mapping exists; a bulk copy moves
 * {@code count} bytes to or from the position of the buffer, which stays where it is.
 */
interface MemoryAccess {
    byte getByte(long offset);

    void putByte(long offset, byte value);

    short getShort(long offset);

    void putShort(long offset, short value);

    int getInt(long offset);

    void putInt(long offset, int value);

    long getLong(long offset);

    void putLong(long offset, long value);

    void get(long offset, ByteBuffer destination, int count);

    void put(long offset, ByteBuffer source, int count);

    /** Gives up what the access itself needs; not the mapping. */
    void close();
}
