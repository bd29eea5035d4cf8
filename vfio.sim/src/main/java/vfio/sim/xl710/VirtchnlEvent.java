package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Events that a driver is told, as {@code struct virtchnl_pf_event}. */
final class VirtchnlEvent {
    private static final int SIZE = 16;
    private static final int SEVERITY = 12;

    private VirtchnlEvent() {}

    /**
     * The link's state.
     *
     * @param speed in the form that was negotiated
     */
    static byte[] linkChange(boolean up, int speed) {
        return event(Virtchnl.EVENT_LINK_CHANGE, Virtchnl.PF_EVENT_SEVERITY_INFO)
                .putInt(up ? speed : 0)
                .put((byte) (up ? 1 : 0))
                .array();
    }

    static byte[] resetImpending() {
        return event(Virtchnl.EVENT_RESET_IMPENDING, Virtchnl.PF_EVENT_SEVERITY_CERTAIN_DOOM)
                .array();
    }

    private static ByteBuffer event(int number, int severity) {
        return ByteBuffer.allocate(SIZE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(SEVERITY, severity)
                .putInt(number);
    }
}
