package vfio.iavf;

/** Takes frames that were received. */
@FunctionalInterface
public interface FrameHandler {
    /**
     * Called for each frame, in the order of the ring.
     *
     * @param frame valid until this returns
     */
    void frame(ReceivedFrame frame);
}
