package vfio.sim.xl710;

import java.nio.ByteBuffer;

/** Takes frames as they go onto the wire. */
@FunctionalInterface
interface FrameSink {
    /**
     * Takes a frame. Its bytes are the sink's until this returns.
     *
     * @param bytes big-endian
     * @param offset of the destination address
     * @param length bytes without the frame check sequence, at least 60
     */
    void frame(ByteBuffer bytes, int offset, int length);
}
