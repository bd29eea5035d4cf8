package vfio.sim.xl710;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** A frame on its way through the switch, with what is known of it. A flyweight over the buffer of whoever sends it. */
final class Frame {
    /** Bytes of the Ethernet header. */
    static final int HEADER = 14;

    private final FrameHeaders headers = new FrameHeaders();
    private final ReceiveClassification classification = new ReceiveClassification();
    private ByteBuffer bytes = ByteBuffer.allocate(0);
    private int offset;
    private int length;
    private boolean local;
    private @Nullable TransmitOffload offload;
    private boolean classified;
    private long status;

    /**
     * Points this at a frame.
     *
     * @param buffer big-endian
     * @param start of the destination address
     * @param count bytes without the frame check sequence, at least those of the header
     * @param fromFunction whether a function of the card sent it
     * @param sender what was done to it here; null if nothing was
     */
    Frame at(ByteBuffer buffer, int start, int count, boolean fromFunction, @Nullable TransmitOffload sender) {
        bytes = buffer;
        offset = start;
        length = count;
        local = fromFunction;
        offload = sender;
        classified = false;
        return this;
    }

    /** The destination, its first byte in the high one of 48 bits. */
    long destination() {
        return bytes.getLong(offset) >>> 16;
    }

    ByteBuffer bytes() {
        return bytes;
    }

    int offset() {
        return offset;
    }

    int length() {
        return length;
    }

    /** Whether a function of the card sent it. */
    boolean isLocal() {
        return local;
    }

    FrameHeaders headers() {
        classify();
        return headers;
    }

    /** What a receive descriptor says of it; see {@link ReceiveClassification#classify}. */
    long status() {
        classify();
        return status;
    }

    private void classify() {
        if (!classified) {
            headers.parse(bytes, offset, length);
            boolean computed = offload != null && offload.computed(headers);
            status = classification.classify(bytes, headers, computed);
            classified = true;
        }
    }
}
