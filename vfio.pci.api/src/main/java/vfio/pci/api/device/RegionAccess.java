package vfio.pci.api.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One read or write of a region: where, how many bytes, and the bytes themselves.
 *
 * <p>It is a flyweight over a buffer of the requester, so that an access costs no allocation. Whoever receives one may use
 * it only until the call returns and only on the calling thread. For a read the receiver puts the bytes in, for a write it
 * takes them out. Data indexes count from 0 at the region offset {@link #offset()}; any index outside {@code [0,
 * length())} is refused, so a receiver can never reach the rest of the requester's buffer.
 *
 * <p>Not safe for use by several threads.
 */
public final class RegionAccess {
    private int region;
    private long offset;
    private int length;
    private ByteBuffer buffer = ByteBuffer.allocate(0);
    private int base;

    /**
     * Points this flyweight at an access.
     *
     * @param region region index
     * @param offset byte offset in the region
     * @param length number of bytes, at least 1
     * @param buffer holds the data, little-endian
     * @param base index of the first data byte in {@code buffer}
     * @return this
     * @throws IllegalArgumentException if the data does not end before the buffer's limit, or the buffer is big-endian
     */
    public RegionAccess wrap(int region, long offset, int length, ByteBuffer buffer, int base) {
        if (length < 1 || base < 0 || base > buffer.limit() - length) {
            throw new IllegalArgumentException("data of a region access lies outside its buffer");
        }
        if (buffer.order() != ByteOrder.LITTLE_ENDIAN) {
            throw new IllegalArgumentException("the buffer of a region access must be little-endian");
        }
        this.region = region;
        this.offset = offset;
        this.length = length;
        this.buffer = buffer;
        this.base = base;
        return this;
    }

    /** Region index. */
    public int region() {
        return region;
    }

    /** Byte offset of the access in the region. */
    public long offset() {
        return offset;
    }

    /** Number of bytes, at least 1. */
    public int length() {
        return length;
    }

    /** The data byte at an index. */
    public byte get(int index) {
        return buffer.get(base + check(index, 1));
    }

    /** Sets the data byte at an index. */
    public void put(int index, byte value) {
        buffer.put(base + check(index, 1), value);
    }

    /** The two data bytes at an index, zero-extended. */
    public int getShort(int index) {
        return buffer.getShort(base + check(index, Short.BYTES)) & 0xffff;
    }

    /** Sets the two data bytes at an index. */
    public void putShort(int index, int value) {
        buffer.putShort(base + check(index, Short.BYTES), (short) value);
    }

    /** The four data bytes at an index. */
    public int getInt(int index) {
        return buffer.getInt(base + check(index, Integer.BYTES));
    }

    /** Sets the four data bytes at an index. */
    public void putInt(int index, int value) {
        buffer.putInt(base + check(index, Integer.BYTES), value);
    }

    /** The eight data bytes at an index. */
    public long getLong(int index) {
        return buffer.getLong(base + check(index, Long.BYTES));
    }

    /** Sets the eight data bytes at an index. */
    public void putLong(int index, long value) {
        buffer.putLong(base + check(index, Long.BYTES), value);
    }

    /**
     * The whole data as one number, zero-extended.
     *
     * @throws VfioException EINVAL if the length is not 1, 2, 4 or 8
     */
    public long value() {
        return switch (length) {
            case 1 -> get(0) & 0xffL;
            case 2 -> getShort(0);
            case 4 -> getInt(0) & 0xffff_ffffL;
            case 8 -> getLong(0);
            default -> throw notAWidth();
        };
    }

    /**
     * Sets the whole data from the low bytes of one number.
     *
     * @throws VfioException EINVAL if the length is not 1, 2, 4 or 8
     */
    public void setValue(long value) {
        switch (length) {
            case 1 -> put(0, (byte) value);
            case 2 -> putShort(0, (int) value);
            case 4 -> putInt(0, (int) value);
            case 8 -> putLong(0, value);
            default -> throw notAWidth();
        }
    }

    /**
     * Copies data bytes out.
     *
     * @param index first data byte
     * @param destination takes as many bytes as it has remaining; its position advances
     */
    public void copyTo(int index, ByteBuffer destination) {
        int count = destination.remaining();
        destination.put(destination.position(), buffer, base + check(index, count), count);
        destination.position(destination.position() + count);
    }

    /**
     * Copies data bytes in.
     *
     * @param index first data byte
     * @param source gives as many bytes as it has remaining; its position advances
     */
    public void copyFrom(int index, ByteBuffer source) {
        int count = source.remaining();
        buffer.put(base + check(index, count), source, source.position(), count);
        source.position(source.position() + count);
    }

    /** Sets every data byte. */
    public void fill(byte value) {
        for (int index = 0; index < length; index++) {
            buffer.put(base + index, value);
        }
    }

    private int check(int index, int width) {
        if (index < 0 || width > length - index) {
            throw new IndexOutOfBoundsException(
                    "data index " + index + " of width " + width + " in an access of " + length);
        }
        return index;
    }

    private VfioException notAWidth() {
        return new VfioException(
                Errno.EINVAL, "an access of " + length + " bytes is not a register access; use 1, 2, 4 or 8 bytes");
    }

    @Override
    public String toString() {
        return "region " + region + " offset 0x" + Long.toHexString(offset) + " length " + length;
    }
}
