package vfio.iavf;

import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;

/**
 * An Ethernet address.
 *
 * @param value 48 bits, the first byte on the wire in the highest
 */
public record MacAddress(long value) {
    /** Everybody. */
    public static final MacAddress BROADCAST = new MacAddress(0xffff_ffff_ffffL);

    /** Bytes. */
    public static final int SIZE = 6;

    private static final long GROUP = 1L << 40;
    private static final long LOCAL = 1L << 41;

    /** Checks the range. */
    public MacAddress {
        if (value >>> (Byte.SIZE * SIZE) != 0) {
            throw new IllegalArgumentException("an address has 48 bits");
        }
    }

    /** A locally administered address of one station. */
    public static MacAddress random() {
        return new MacAddress(
                ((ThreadLocalRandom.current().nextLong() >>> (Long.SIZE - Byte.SIZE * SIZE)) & ~GROUP) | LOCAL);
    }

    /** Reads one as it stands in a frame. */
    public static MacAddress at(ByteBuffer bytes, int index) {
        long value = 0;
        for (int offset = 0; offset < SIZE; offset++) {
            value = (value << Byte.SIZE) | (bytes.get(index + offset) & 0xff);
        }
        return new MacAddress(value);
    }

    /** Writes it as it stands in a frame. */
    public void put(ByteBuffer bytes, int index) {
        for (int offset = 0; offset < SIZE; offset++) {
            bytes.put(index + offset, (byte) (value >>> (Byte.SIZE * (SIZE - 1 - offset))));
        }
    }

    /** Whether it is meant for several stations: multicast or broadcast. */
    public boolean isGroup() {
        return (value & GROUP) != 0;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (int offset = SIZE - 1; offset >= 0; offset--) {
            text.append(String.format(Locale.ROOT, "%02x", (value >>> (Byte.SIZE * offset)) & 0xff));
            if (offset > 0) {
                text.append(':');
            }
        }
        return text.toString();
    }
}
