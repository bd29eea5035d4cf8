package vfio.linux;

import java.nio.ByteBuffer;

/**
 * A {@code struct msghdr} with one {@code struct iovec} and room for one control message, in native memory that lives as
 * long as its socket, so that a message costs no allocation. Used by one thread at a time.
 */
final class MessageHeader {
    /** Bytes that a header takes in its block. */
    static final int SIZE = 2048;

    private static final int MSG_IOV = 16;
    private static final int MSG_IOVLEN = 24;
    private static final int MSG_CONTROL = 32;
    private static final int MSG_CONTROLLEN = 40;
    private static final int MSG_FLAGS = 48;
    private static final int IOV = 64;
    private static final int IOV_LEN = IOV + 8;
    private static final int CONTROL = 128;

    private static final int CMSG_LEVEL = 8;
    private static final int CMSG_TYPE = 12;
    private static final int CMSG_DATA = 16;

    private final ByteBuffer bytes;
    private final int base;
    private final long address;

    MessageHeader(NativeBuffer block, int base) {
        this.bytes = block.bytes();
        this.base = base;
        this.address = block.address(base, SIZE);
        bytes.putLong(base + MSG_IOV, address + IOV);
        bytes.putLong(base + MSG_IOVLEN, 1);
        bytes.putLong(base + MSG_CONTROL, address + CONTROL);
    }

    long address() {
        return address;
    }

    void data(long dataAddress, int length) {
        bytes.putLong(base + IOV, dataAddress);
        bytes.putLong(base + IOV_LEN, length);
    }

    void noControl() {
        bytes.putLong(base + MSG_CONTROLLEN, 0);
    }

    /**
     * Makes room for exactly that many descriptors: the kernel drops what is beyond, before it ever enters our table, and
     * says so with {@code MSG_CTRUNC}.
     */
    void roomForDescriptors(int count) {
        bytes.putLong(base + MSG_CONTROLLEN, count == 0 ? 0 : controlLength(count));
    }

    /** Starts a control message for that many descriptors. */
    void descriptors(int count) {
        bytes.putLong(base + MSG_CONTROLLEN, controlLength(count));
        bytes.putLong(base + CONTROL, controlLength(count));
        bytes.putInt(base + CONTROL + CMSG_LEVEL, Linux.SOL_SOCKET);
        bytes.putInt(base + CONTROL + CMSG_TYPE, Linux.SCM_RIGHTS);
    }

    void descriptor(int index, int number) {
        bytes.putInt(base + CONTROL + CMSG_DATA + index * Integer.BYTES, number);
    }

    /** Moves the descriptors of a received message to the sink. */
    void collect(ReceivedDescriptors sink) {
        long length = bytes.getLong(base + MSG_CONTROLLEN);
        if (length >= CMSG_DATA
                && bytes.getInt(base + CONTROL + CMSG_LEVEL) == Linux.SOL_SOCKET
                && bytes.getInt(base + CONTROL + CMSG_TYPE) == Linux.SCM_RIGHTS) {
            long count = (bytes.getLong(base + CONTROL) - CMSG_DATA) / Integer.BYTES;
            for (int index = 0; index < count; index++) {
                sink.add(bytes.getInt(base + CONTROL + CMSG_DATA + index * Integer.BYTES));
            }
        }
        if ((bytes.getInt(base + MSG_FLAGS) & Linux.MSG_CTRUNC) != 0) {
            sink.overflow();
        }
    }

    /** {@code CMSG_LEN}. */
    private static int controlLength(int descriptors) {
        return CMSG_DATA + descriptors * Integer.BYTES;
    }
}
