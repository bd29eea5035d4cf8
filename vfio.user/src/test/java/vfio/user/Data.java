package vfio.user;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Builds message data field by field. */
final class Data {
    private final ByteBuffer bytes = ByteBuffer.allocate(2 << 20).order(ByteOrder.LITTLE_ENDIAN);

    Data u8(int... values) {
        for (int value : values) {
            bytes.put((byte) value);
        }
        return this;
    }

    Data u16(int... values) {
        for (int value : values) {
            bytes.putShort((short) value);
        }
        return this;
    }

    Data u32(int... values) {
        for (int value : values) {
            bytes.putInt(value);
        }
        return this;
    }

    Data u64(long... values) {
        for (long value : values) {
            bytes.putLong(value);
        }
        return this;
    }

    Data text(String text) {
        bytes.put(text.getBytes(StandardCharsets.UTF_8));
        return this;
    }

    Data raw(byte[] data) {
        bytes.put(data);
        return this;
    }

    byte[] bytes() {
        byte[] data = new byte[bytes.position()];
        bytes.get(0, data);
        return data;
    }

    /** Everything but the last {@code count} bytes. */
    byte[] without(int count) {
        byte[] data = new byte[bytes.position() - count];
        bytes.get(0, data);
        return data;
    }

    static byte[] none() {
        return new byte[0];
    }
}
