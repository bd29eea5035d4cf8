package mediate.igd;

import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.MediationContext;

/**
 * Whether this driver wants its window trapped. The core is told of each change, until it refuses one.
 *
 * <p>If threads disagree about what they want, the last one counts. To want what is wanted already costs a read.
 */
final class TrapWish {
    private final MediationContext context;
    private final LongAdder traps = new LongAdder();
    private final LongAdder untraps = new LongAdder();
    private final AtomicBoolean wanted = new AtomicBoolean();
    private final AtomicBoolean refused = new AtomicBoolean();

    TrapWish(MediationContext context, GraphicsState before) {
        this.context = context;
        traps.add(before.traps());
        untraps.add(before.untraps());
    }

    void want(boolean trapped) {
        if (wanted.get() != trapped && !refused.get() && wanted.compareAndSet(!trapped, trapped)) {
            if (ask()) {
                (trapped ? traps : untraps).increment();
            }
        }
    }

    /** Asks for what the mediation before this one had asked for and counted. */
    void restore(boolean trapped) {
        if (trapped) {
            wanted.set(true);
            ask();
        }
    }

    /** The window may be reached unseen. If that is not what was wanted, the request is over and may be made again. */
    void over() {
        wanted.set(false);
    }

    boolean wanted() {
        return wanted.get();
    }

    long traps() {
        return traps.sum();
    }

    long untraps() {
        return untraps.sum();
    }

    /** Whoever asked last has asked for what is wanted, since each looks again afterwards. */
    private boolean ask() {
        try {
            boolean asked;
            do {
                asked = wanted.get();
                context.trap(asked);
            } while (asked != wanted.get());
            return true;
        } catch (VfioException e) {
            if (refused.compareAndSet(false, true)) {
                wanted.set(false);
                context.logger().log(Level.INFO, "goes on without trapping its window: {0}", e.getMessage());
            }
            return false;
        }
    }
}
