package mediate.i40e;

import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.LongAdder;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.MediationContext;

/**
 * Has the tails of receive queues trapped, which tell what memory the device will write: for the administrator, who has them
 * counted, and for whoever has logged what the device writes. In force only while the client reaches the tails through nothing but
 * us.
 */
final class Tracking {
    /** Why a tracker does not know any more what has been written. */
    static final String LOST = "the tails of queues may be reached unseen";

    /** QRX_TAIL1 of 16 queues, at the start of {@link VirtualFunctionMediation#RX_TAIL_PAGE}. */
    private static final long RX_TAILS_END = VirtualFunctionMediation.RX_TAIL_PAGE + 16 * Integer.BYTES;

    /** VF_ARQT1, at the start of {@link VirtualFunctionMediation#ARQ_TAIL_PAGE}. */
    private static final long ARQ_TAIL_END = VirtualFunctionMediation.ARQ_TAIL_PAGE + Integer.BYTES;

    private final MediationContext context;
    private final LongAdder tailWrites = new LongAdder();
    private volatile boolean requested;
    private volatile boolean logging;
    private volatile boolean trapped;

    Tracking(MediationContext context, VirtualFunctionState before) {
        this.context = context;
        tailWrites.add(before.tailWrites());
    }

    /**
     * Begins or ends tracking.
     *
     * @throws VfioException what the request to trap is refused with; then nothing changes
     */
    void request(boolean tracking) {
        if (tracking) {
            // What is told from now on is about this request, and may come before the answer.
            trapped = false;
            if (context.trap(true)) {
                trapped = true;
            }
            requested = true;
        } else {
            requested = false;
            if (!logging) {
                context.trap(false);
            }
        }
    }

    /**
     * The tails have to be trapped because what the device writes is logged.
     *
     * @param anyway whether that begins even if they are not
     * @throws VfioException EAGAIN if they are not yet; the request to trap stays
     */
    void requireTrap(boolean anyway) {
        trapped = context.trap(true) || trapped;
        logging = true;
        if (!trapped && !anyway) {
            throw new VfioException(
                    Errno.EAGAIN, "the client has to confirm that it has unmapped the tails of queues; ask again then");
        }
    }

    /** Nobody logs what the device writes any more. */
    void releaseTrap() {
        logging = false;
        if (!requested) {
            context.trap(false);
        }
    }

    boolean isTrapped() {
        return trapped;
    }

    /** Goes on as the mediation before this one. That trapping is refused meanwhile shows as tracking that is not in force. */
    void restore(boolean tracking) {
        if (tracking) {
            requested = true;
            try {
                request(true);
            } catch (VfioException e) {
                context.logger().log(Level.WARNING, "tracking cannot go on: {0}", e.getMessage());
            }
        }
    }

    void trapChanged(boolean nowTrapped) {
        trapped = nowTrapped;
    }

    /** A write of BAR0 that is trapped. */
    void write(RegionAccess access) {
        if (requested
                && (overlaps(access, VirtualFunctionMediation.RX_TAIL_PAGE, RX_TAILS_END)
                        || overlaps(access, VirtualFunctionMediation.ARQ_TAIL_PAGE, ARQ_TAIL_END))) {
            tailWrites.increment();
        }
    }

    boolean requested() {
        return requested;
    }

    boolean inForce() {
        return requested && trapped;
    }

    long tailWrites() {
        return tailWrites.sum();
    }

    private static boolean overlaps(RegionAccess access, long start, long end) {
        return access.offset() < end && access.offset() + access.length() > start;
    }
}
