package vfio.iavf;

import java.nio.ByteBuffer;
import vfio.pci.api.device.Memory;

/** A frame in the buffers of an RX queue, with what its descriptor says. Reused for the next frame. */
public final class ReceivedFrame {
    /** Which addresses a frame was for, as the descriptor says. */
    public enum Destination {
        UNICAST,
        MULTICAST,
        BROADCAST
    }

    private static final Destination[] DESTINATIONS = Destination.values();
    private static final int ETHER_TYPE = 12;

    private final Memory bytes;
    private final int bufferSize;
    private final long buffers;
    private final int count;

    private int first;
    private int descriptors;
    private int length;
    private long quadword0;
    private long quadword1;

    ReceivedFrame(Memory bytes, long buffers, int bufferSize, int count) {
        this.bytes = bytes;
        this.buffers = buffers;
        this.bufferSize = bufferSize;
        this.count = count;
    }

    void set(int firstSlot, int slots, int size, long first8, long second8) {
        first = firstSlot;
        descriptors = slots;
        length = size;
        quadword0 = first8;
        quadword1 = second8;
    }

    /** Bytes, without the FCS. */
    public int length() {
        return length;
    }

    /** How many descriptors it took. */
    public int descriptors() {
        return descriptors;
    }

    /** Packet type; 0 and 1 say nothing. */
    public int packetType() {
        return (int) ((quadword1 >>> ReceiveDescriptor.PTYPE_SHIFT) & ReceiveDescriptor.PTYPE_MASK);
    }

    /** Whether the device has looked at network and transport headers. */
    public boolean isProcessed() {
        return (quadword1 & ReceiveDescriptor.STATUS_L3L4P) != 0;
    }

    /** Whether the device has found that a checksum is wrong. */
    public boolean hasChecksumError() {
        return (quadword1 & (ReceiveDescriptor.ERROR_IPE | ReceiveDescriptor.ERROR_L4E)) != 0;
    }

    /** Whether the descriptor has an RSS hash. */
    public boolean hasHash() {
        return ((quadword1 >>> ReceiveDescriptor.STATUS_FLTSTAT_SHIFT) & ReceiveDescriptor.STATUS_FLTSTAT_MASK)
                == ReceiveDescriptor.FLTSTAT_RSS_HASH;
    }

    /** The RSS hash, if {@link #hasHash}. */
    public int hash() {
        return (int) (quadword0 >>> ReceiveDescriptor.HASH_SHIFT);
    }

    /** Which addresses it was for. */
    public Destination destination() {
        int code =
                (int) ((quadword1 >>> ReceiveDescriptor.STATUS_UMBCAST_SHIFT) & ReceiveDescriptor.STATUS_UMBCAST_MASK);
        if (code == DESTINATIONS.length) {
            throw new DeviceViolation("a received frame is said to be mirrored");
        }
        return DESTINATIONS[code];
    }

    /** A byte of the frame. */
    public byte getByte(int offset) {
        return bytes.getByte(place(offset));
    }

    /** Two bytes in network order, zero-extended. */
    public int getShort(int offset) {
        return ((getByte(offset) & 0xff) << Byte.SIZE) | (getByte(offset + 1) & 0xff);
    }

    /** Four bytes in network order. */
    public int getInt(int offset) {
        return (getShort(offset) << Short.SIZE) | getShort(offset + Short.BYTES);
    }

    /** The field behind the addresses. */
    public int etherType() {
        return getShort(ETHER_TYPE);
    }

    /** Copies the whole frame; the position advances. */
    public void get(ByteBuffer destination) {
        for (int at = 0; at < length; at += bufferSize) {
            int part = Math.min(bufferSize, length - at);
            int limit = destination.limit();
            bytes.get(place(at), destination.limit(destination.position() + part));
            destination.limit(limit);
        }
    }

    /** A copy of the whole frame. */
    public byte[] toArray() {
        byte[] copy = new byte[length];
        get(ByteBuffer.wrap(copy));
        return copy;
    }

    private long place(int offset) {
        int slot = first + offset / bufferSize;
        return buffers + (long) (slot < count ? slot : slot - count) * bufferSize + offset % bufferSize;
    }
}
