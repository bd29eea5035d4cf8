package vfio.sim.xl710;

import java.nio.ByteBuffer;

/** A transmit descriptor, data or context, in a buffer that the engine has read. A flyweight. */
final class TransmitDescriptor {
    static final int TYPE_DATA = 0;
    static final int TYPE_CONTEXT = 1;

    /** The whole second quadword of a descriptor that is given back: I40E_TX_DESC_DTYPE_DESC_DONE. */
    static final long DONE = 0xf;

    private static final int COMMAND_END_OF_PACKET = 1;
    private static final int COMMAND_REPORT_STATUS = 1 << 1;
    private static final int COMMAND_DUMMY = 1 << 4;
    private static final int CONTEXT_SEGMENTATION = 1;

    private long address;
    private long control;

    /** Points this at a descriptor. */
    TransmitDescriptor at(ByteBuffer descriptors, int offset) {
        address = descriptors.getLong(offset);
        control = descriptors.getLong(offset + Long.BYTES);
        return this;
    }

    int type() {
        return (int) control & 0xf;
    }

    /** Where the data is. */
    long address() {
        return address;
    }

    /** Bytes of data. */
    int size() {
        return (int) (control >>> 34) & 0x3fff;
    }

    boolean endsPacket() {
        return (command() & COMMAND_END_OF_PACKET) != 0;
    }

    boolean reportsStatus() {
        return (command() & COMMAND_REPORT_STATUS) != 0;
    }

    boolean isDummy() {
        return (command() & COMMAND_DUMMY) != 0;
    }

    /** What a data descriptor says of headers and checksums; that of the first counts for the packet. */
    void offloads(TransmitRequest request) {
        request.checksums(TransmitIpType.ofCode(command() >>> 5 & 3), L4Protocol.ofCode(command() >>> 8 & 3));
        request.headers(
                2 * ((int) (control >>> 16) & 0x7f),
                4 * ((int) (control >>> 23) & 0x7f),
                4 * ((int) (control >>> 30) & 0xf));
    }

    /** Whether a context descriptor asks for segmentation. */
    boolean segments() {
        return ((int) (control >>> 4) & CONTEXT_SEGMENTATION) != 0;
    }

    /** What a context descriptor says of segmentation. */
    void segmentation(TransmitRequest request) {
        request.segmentation((int) (control >>> 30) & 0x3_ffff, (int) (control >>> 50) & 0x3fff);
    }

    private int command() {
        return (int) (control >>> 4) & 0xfff;
    }
}
