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
    private static final int ALL_QUEUES = -1;
    private static final int OP_RESET_VF = 2;
    private static final int OP_ENABLE_QUEUES = 8;
    private static final int OP_DISABLE_QUEUES = 9;
    private static final int QUEUE_SELECT = 12;
    private static final int RX_QUEUES = 4;

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
            prepare();
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

    /** Somebody else has written what the device holds, queues and registers. */
    final void replaced() {
        lock.lock();
        try {
            admin.forgetTail();
            doubt("the state of the device was replaced by another one's", "");
        } finally {
            lock.unlock();
        }
    }

    /** BAR0 is about to be written. */
    final void write(RegionAccess access) {
        boolean receive = touches(VfRegister.QRX_TAIL1, access);
        boolean atq = touches(VfRegister.VF_ATQT1, access);
        boolean arq = touches(VfRegister.VF_ARQT1, access) || touches(VfRegister.VF_ARQLEN1, access);
        if (!receive && !arq && !atq) {
            return;
        }
        lock.lock();
        try {
            boolean whole = access.length() == Integer.BYTES && access.offset() % Integer.BYTES == 0;
            if (atq && whole) {
                admin.announceTail(access.getInt(0) & VfRegister.AQ_MASK);
            }
            if (isDoubtful()) {
                return;
            }
            if (!whole) {
                doubt("a tail was not written as one register", "");
            } else if (receive) {
                int queue = (int) (access.offset() - VfRegister.QRX_TAIL1.at(0)) / Integer.BYTES;
                post(queue, access.getInt(0) & VfRegister.TAIL_MASK);
            } else {
                admin.noteReceiveQueue();
                if (atq) {
                    admin.noteTransmitQueue(access.getInt(0) & VfRegister.AQ_MASK, this::message);
                }
            }
        } catch (RuntimeException e) {
            doubt("what the driver does cannot be followed: ", e);
        } finally {
            lock.unlock();
        }
    }

    /** The function is about to be reset, or has been. */
    final void reset() {
        lock.lock();
        try {
            ending(ALL_QUEUES);
        } finally {
            lock.unlock();
        }
    }

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

    /** The queues are about to be asked for. */
    void prepare() {}

    /**
     * Marks what has been written by receive queues since the last time.
     *
     * @param drained whether the device had taken all messages before the queues were asked for
     */
    abstract void follow(List<QueuePair> now, boolean drained);

    /** The driver is about to write the tail of a receive queue. Not every tracker gets to hear of that. */
    void post(int queue, int newTail) {}

    /** The driver is about to enable a receive queue; whatever it has asked for before has been done. */
    abstract void enable(int queue, QueuePair.Receive context);

    /** The driver is about to ask that receive queues end, each a bit. */
    void ending(int named) {}

    final void look() {
        boolean doubted = doubtful;
        try {
            prepare();
            boolean drained = admin.isDrained();
            // Asking for the queues also waits for what the device was doing, so the former is not written any more.
            List<QueuePair> now = queues();
            if (has(TrackingRule.FORMER)) {
                former.mark(dirty);
            }
            if (drained || doubtful) {
                former.clear();
            }
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

    private void message(int opcode, long address, int length, boolean first) {
        switch (opcode) {
            case OP_RESET_VF -> ending(ALL_QUEUES);
            case OP_DISABLE_QUEUES -> ending(receiveQueues(address, length));
            case OP_ENABLE_QUEUES -> {
                if (first) {
                    enable(receiveQueues(address, length));
                } else {
                    doubt("a queue was enabled before the message before had been taken", "");
                }
            }
            default -> {}
        }
    }

    private void enable(int named) {
        List<QueuePair> now = queues();
        if (!now.equals(known)) {
            known.forEach(pair -> pair.addRings(former));
            known = now;
        }
        for (int queue = 0; queue < now.size(); queue++) {
            if ((named >>> queue & 1) != 0) {
                enable(queue, now.get(queue).receive());
            }
        }
    }

    /** The receive queues that a message names; none if it is too short to be taken. */
    private int receiveQueues(long address, int length) {
        return length < QUEUE_SELECT ? 0 : admin.read(address, QUEUE_SELECT).getInt(RX_QUEUES);
    }

    private void arm(boolean drained, List<QueuePair> now) {
        shadows.forEach(ReceiveShadow::end);
        admin.look();
        if (lost == null && arm(now, drained)) {
            doubtful = false;
        }
    }

    private static boolean touches(VfRegister register, RegionAccess access) {
        return register.isTouchedBy(access.offset(), access.length());
    }
}
