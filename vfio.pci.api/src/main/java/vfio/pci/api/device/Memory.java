package vfio.pci.api.device;

import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A range of bytes, addressed from 0 by {@code long} and checked against {@link #size()} on every access.
 *
 * <p>An access outside the range, after close, or to a page that the owner of the memory has taken away fails with {@link
 * VfioException} EFAULT; it never touches other memory and never ends the process. Aligned 2-, 4- and 8-byte accesses are
 * single loads and stores, except to memory whose owner can truncate it: there a peer may see a store of fewer than 8
 * bytes half done. Safe for use by several threads, with the ordering of plain memory.
 */
@ProviderType
public interface Memory {
    /** Bytes. */
    long size();

    /** One byte. */
    byte getByte(long offset);

    /** Sets one byte. */
    void putByte(long offset, byte value);

    /** Two bytes, zero-extended. */
    int getShort(long offset);

    /** Sets two bytes. */
    void putShort(long offset, int value);

    /** Four bytes. */
    int getInt(long offset);

    /** Sets four bytes. */
    void putInt(long offset, int value);

    /** Eight bytes. */
    long getLong(long offset);

    /** Sets eight bytes. */
    void putLong(long offset, long value);

    /** Copies {@code destination.remaining()} bytes out; the buffer's position advances. */
    void get(long offset, ByteBuffer destination);

    /** Copies {@code source.remaining()} bytes in; the buffer's position advances. */
    void put(long offset, ByteBuffer source);
}
