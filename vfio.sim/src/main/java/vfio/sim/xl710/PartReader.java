package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Reads a part of a function's state, little-endian. Whatever is wrong with it is a {@link VfioException} with EINVAL. */
final class PartReader {
    private final String part;
    private final ByteBuffer bytes;

    PartReader(String part, byte[] bytes) {
        this.part = part;
        this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** An unsigned byte. */
    int readByte() {
        return need(Byte.BYTES).get() & 0xff;
    }

    /** Two unsigned bytes. */
    int readShort() {
        return need(Short.BYTES).getShort() & 0xffff;
    }

    int readInt() {
        return need(Integer.BYTES).getInt();
    }

    long readLong() {
        return need(Long.BYTES).getLong();
    }

    /** A byte that says yes or no. */
    boolean readBoolean(String name) {
        int value = readByte();
        require(value <= 1, name + " is " + value + ", not 0 or 1");
        return value == 1;
    }

    byte[] readBytes(int count) {
        ByteBuffer source = need(count);
        byte[] read = new byte[count];
        source.get(read);
        return read;
    }

    /** Bytes without a meaning. */
    void readZeros(int count) {
        for (int index = 0; index < count; index++) {
            require(readByte() == 0, "a byte without a meaning is not 0");
        }
    }

    boolean hasMore() {
        return bytes.hasRemaining();
    }

    /** All has been read. */
    void end() {
        require(!hasMore(), bytes.remaining() + " bytes too many");
    }

    /** Refuses the part unless something holds. */
    void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new VfioException(
                    Errno.EINVAL, "this is no state of an XL710 VF: in its part " + part + ", " + otherwise);
        }
    }

    private ByteBuffer need(int count) {
        require(bytes.remaining() >= count, "bytes are missing behind byte " + bytes.position());
        return bytes;
    }
}
