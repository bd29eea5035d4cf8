package mediate.i40e;

import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import migration.region.DirtyBitmap;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciRegion;

/**
 * Derives from what a driver does which pages of client memory the device may write: never too few, and where it cannot know, all.
 * From the first doubt on, every look at the device ({@link #sync}) marks all pages, until one finds out anew what is posted.
 *
 * <p>Safe for several threads.
 */
abstract class Tracker {
    private static final int QUEUES = 16;

    final MediationContext context;
    final Set<TrackingRule> rules;
    final DirtyPages dirty;
    final AddressRanges former = new AddressRanges();
    final AdminQueues admin;
    final RegionRegisters bar0;
    final List<ReceiveShadow> shadows;
    final ReentrantLock lock = new ReentrantLock();

    /** Contexts of the queues as they were known last. */
    List<QueuePair> known = List.of();

    private final HardwareState hardware;
    private final TrackingLog log;
    private @Nullable String lost;
    private boolean doubtful;

    Tracker(
            MediationContext context,
            HardwareState hardware,
            Set<TrackingRule> rules,
            DirtyPages dirty,
            TrackingLog log) {
        this.context = context;
        this.hardware = hardware;
        this.rules = rules;
        this.dirty = dirty;
        this.log = log;
        bar0 = new RegionRegisters(context.hardware(), PciRegion.BAR0);
        admin = new AdminQueues(bar0, context.memory(), dirty, rules, former);
        shadows = IntStream.range(0, QUEUES)
                .mapToObj(queue -> new ReceiveShadow(context.memory(), dirty))
                .toList();
    }

    /** Begins. What was written before counts no more. */
    final void start() {
        lock.lock();
        try {
            doubtful = true;
            boolean drained = admin.isDrained();
            known = queues();
            arm(drained, known);
        } catch (RuntimeException e) {
            doubt("the function cannot be looked at: ", e);
        } finally {
            lock.unlock();
        }
    }

    /** Marks what has been written, as far as that can be seen. */
    final void sync() {
        lock.lock();
        try {
            look();
        } finally {
            lock.unlock();
        }
    }

    /** The device has stopped: marks what may have been written. */
    final void stop() {
        lock.lock();
        try {
            look();
            if (has(TrackingRule.STOP)) {
                shadows.forEach(ReceiveShadow::markOutstanding);
            }
        } finally {
            lock.unlock();
        }
    }

    /** From now on all counts as written, to the end. */
    final void lose(String reason) {
        lock.lock();
        try {
            lost = reason;
            doubt(reason, "");
        } finally {
            lock.unlock();
        }
    }

    /** BAR0 is about to be written. */
    void write(RegionAccess access) {}

    /** The function is about to be reset, or has been. */
    void reset() {}

    /** The client is about to hear of an interrupt. */
    void interrupt(int vector) {}

    final DirtyBitmap bitmap() {
        return dirty.bitmap();
    }

    /** How many buffers are known that the device may write. */
    final long outstanding() {
        return shadows.stream().mapToLong(ReceiveShadow::outstanding).sum();
    }

    /**
     * Finds out what is posted, knowing nothing.
     *
     * @param drained whether the device had taken all messages before the queues were asked for
     * @return false if that cannot be found out now
     */
    abstract boolean arm(List<QueuePair> now, boolean drained);

    /** Marks what has been written by receive queues since the last time. */
    abstract void follow(List<QueuePair> now, boolean drained);

    final void look() {
        boolean doubted = doubtful;
        try {
            boolean drained = admin.isDrained();
            // Asking for the queues also waits for what the device was doing, so the former is not written any more.
            List<QueuePair> now = queues();
            if (has(TrackingRule.FORMER)) {
                former.mark(dirty);
            }
            former.clear();
            known.forEach(pair -> pair.markRings(dirty, rules));
            now.forEach(pair -> pair.markRings(dirty, rules));
            known = now;
            if (doubtful) {
                arm(drained, now);
            } else {
                follow(now, drained);
                if (admin.hasMoved()) {
                    doubt("the admin receive queue has moved unseen", "");
                }
            }
            admin.mark(drained);
        } catch (RuntimeException e) {
            doubt("the function cannot be looked at: ", e);
        }
        if (doubted || doubtful) {
            dirty.markAll();
        }
    }

    final void doubt(String reason, RuntimeException cause) {
        doubt(reason, String.valueOf(cause.getMessage()));
    }

    final void doubt(String reason, String detail) {
        doubtful = true;
        log.doubt(reason, detail);
    }

    final boolean isDoubtful() {
        return doubtful;
    }

    final boolean has(TrackingRule rule) {
        return rules.contains(rule);
    }

    final List<QueuePair> queues() {
        return QueuePair.read(hardware);
    }

    /** The tail of a receive queue. */
    final int tailOf(int queue) {
        return bar0.getInt(VfRegister.QRX_TAIL1.at(queue)) & VfRegister.TAIL_MASK;
    }

    private void arm(boolean drained, List<QueuePair> now) {
        shadows.forEach(ReceiveShadow::end);
        admin.look();
        if (lost == null && arm(now, drained)) {
            doubtful = false;
        }
    }
}
