package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A descriptor of the admin queue, 32 bytes, in memory of its own: read it, change it, write it back. */
final class AdminDescriptor {
    static final int SIZE = 32;

    static final int FLAG_DD = 0x1;
    static final int FLAG_CMP = 0x2;
    static final int FLAG_ERR = 0x4;
    static final int FLAG_LB = 0x200;
    static final int FLAG_RD = 0x400;
    static final int FLAG_BUF = 0x1000;

    /** Buffers longer than this are large. */
    static final int LARGE_BUFFER = 512;

    private static final int FLAGS = 0;
    private static final int OPCODE = 2;
    private static final int DATA_LENGTH = 4;
    private static final int RETURN_VALUE = 6;
    private static final int COOKIE_HIGH = 8;
    private static final int COOKIE_LOW = 12;
    private static final int ADDRESS_HIGH = 24;
    private static final int ADDRESS_LOW = 28;

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.LITTLE_ENDIAN);

    void read(GuestAccess guest, long iova) {
        guest.read(iova, bytes.clear());
    }

    /** Writes it back; the flags, in whose word the driver looks for DD, last. */
    void writeBack(GuestAccess guest, long iova) {
        guest.write(iova + Long.BYTES, bytes.limit(ADDRESS_HIGH).position(COOKIE_HIGH));
        guest.writeLong(iova, bytes.getLong(FLAGS));
    }

    int flags() {
        return bytes.getShort(FLAGS) & 0xffff;
    }

    int opcode() {
        return bytes.getShort(OPCODE) & 0xffff;
    }

    int dataLength() {
        return bytes.getShort(DATA_LENGTH) & 0xffff;
    }

    /** The opcode of the message it carries. */
    int messageOpcode() {
        return bytes.getInt(COOKIE_HIGH);
    }

    long bufferAddress() {
        return ((long) bytes.getInt(ADDRESS_HIGH) << 32) | (bytes.getInt(ADDRESS_LOW) & 0xffff_ffffL);
    }

    /** The command is done. */
    void complete(int returnValue) {
        int error = returnValue == 0 ? 0 : FLAG_ERR;
        bytes.putShort(FLAGS, (short) (flags() | FLAG_DD | FLAG_CMP | error));
        bytes.putShort(RETURN_VALUE, (short) returnValue);
    }

    /** Makes it a message to the virtual function; the address stays. */
    void message(int opcode, int status, int length) {
        bytes.putShort(FLAGS, (short) (FLAG_DD | FLAG_CMP | FLAG_BUF | (length > LARGE_BUFFER ? FLAG_LB : 0)));
        bytes.putShort(OPCODE, (short) AdminQueueCommand.SEND_MSG_TO_VF);
        bytes.putShort(DATA_LENGTH, (short) length);
        bytes.putShort(RETURN_VALUE, (short) 0);
        bytes.putInt(COOKIE_HIGH, opcode);
        bytes.putInt(COOKIE_LOW, status);
    }
}
