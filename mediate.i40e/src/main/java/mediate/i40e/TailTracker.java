package mediate.i40e;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.mediate.MediationContext;

/**
 * Watches the tails of queues, which have to be trapped: a buffer is noted when it is posted, and marked when its descriptor says
 * done, when its slot is posted anew, when its queue has ended, or when the device stops.
 *
 * <p>A queue ends some time after the driver has asked for that. So it counts as one that runs until it is seen to have ended, when the next message
 * enables it or at the next look.
 */
final class TailTracker extends Tracker {
    private static final int OP_RESET_VF = 2;
    private static final int OP_ENABLE_QUEUES = 8;
    private static final int OP_DISABLE_QUEUES = 9;
    private static final int QUEUE_SELECT = 12;
    private static final int RX_QUEUES = 4;

    private final List<Queue> queues = new ArrayList<>();

    /** A receive queue. For whoever has the lock. */
    private final class Queue {
        private final int number;
        private final ReceiveShadow shadow;
        private boolean live;
        private int tail;

        /** Whether the driver has asked that it end. When it has, its ring may be anything. */
        private boolean ending;

        Queue(int number, ReceiveShadow shadow) {
            this.number = number;
            this.shadow = shadow;
        }

        void begin(QueuePair.Receive context) {
            shadow.begin(context);
            tail = tailOf(number);
            live = true;
            ending = false;
        }

        /** What was posted may have been written until now. */
        void end() {
            shadow.moveTo(former, rules);
            live = false;
        }

        void arm(QueuePair.Receive context, List<DmaMapping> mappings) {
            live = false;
            if (context.enabled()) {
                begin(context);
                if (has(TrackingRule.ARM_SCAN)) {
                    shadow.noteAll(mappings);
                }
            }
        }

        void post(int newTail) {
            if (live
                    && ending
                    && admin.isDrained()
                    && !queues().get(number).receive().enabled()) {
                end();
            }
            if (!live) {
                return;
            }
            if (newTail >= shadow.queue().length() || tail >= shadow.queue().length()) {
                doubt("a tail lies outside its ring", "");
                return;
            }
            if (has(TrackingRule.POST_MARKS)) {
                for (int slot = tail; slot != newTail; slot = shadow.next(slot)) {
                    shadow.take(slot);
                }
                if (has(TrackingRule.POST_MARKS_AT_TAIL)) {
                    shadow.take(newTail);
                }
            }
            if (has(TrackingRule.POST_NOTES)) {
                shadow.note(tail, newTail);
            }
            tail = newTail;
        }

        void enable(QueuePair.Receive context) {
            if (context.enabled()) {
                if (!live) {
                    doubt("a queue runs that was not seen to be enabled", "");
                }
            } else {
                end();
                if (context.configured()) {
                    begin(context);
                    if (tail >= context.length()) {
                        doubt("a tail lies outside its ring", "");
                    } else if (has(TrackingRule.ENABLE_NOTES)) {
                        shadow.note(0, tail);
                    }
                }
            }
        }

        void follow(QueuePair.Receive context, boolean drained) {
            if (live && (context.enabled() || !drained) && has(TrackingRule.DONE)) {
                shadow.takeDone();
            }
            if (context.enabled()) {
                if (drained && !(live && context.isLike(shadow.queue()))) {
                    doubt("a queue runs that was not seen to be enabled", "");
                }
                ending &= !drained;
            } else if (live && drained) {
                if (has(TrackingRule.QUEUE_END)) {
                    shadow.markOutstanding();
                }
                shadow.end();
                live = false;
            }
        }
    }

    TailTracker(
            MediationContext context,
            HardwareState hardware,
            Set<TrackingRule> rules,
            DirtyPages dirty,
            TrackingLog log) {
        super(context, hardware, rules, dirty, log);
        shadows.forEach(shadow -> queues.add(new Queue(queues.size(), shadow)));
    }

    @Override
    boolean arm(List<QueuePair> now, boolean drained) {
        if (!drained) {
            return false;
        }
        List<DmaMapping> mappings = context.mappings();
        for (int queue = 0; queue < now.size(); queue++) {
            queues.get(queue).arm(now.get(queue).receive(), mappings);
        }
        return true;
    }

    @Override
    void follow(List<QueuePair> now, boolean drained) {
        for (int queue = 0; queue < now.size(); queue++) {
            queues.get(queue).follow(now.get(queue).receive(), drained);
        }
    }

    @Override
    void write(RegionAccess access) {
        boolean receive = VfRegister.QRX_TAIL1.isTouchedBy(access.offset(), access.length());
        boolean arq = VfRegister.VF_ARQT1.isTouchedBy(access.offset(), access.length());
        boolean atq = VfRegister.VF_ATQT1.isTouchedBy(access.offset(), access.length());
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
                queues.get(queue).post(access.getInt(0) & VfRegister.TAIL_MASK);
            } else if (arq) {
                admin.noteReceiveQueue();
            } else {
                admin.noteTransmitQueue(access.getInt(0) & VfRegister.AQ_MASK, this::message);
            }
        } catch (RuntimeException e) {
            doubt("what the driver does cannot be followed: ", e);
        } finally {
            lock.unlock();
        }
    }

    @Override
    void reset() {
        lock.lock();
        try {
            queues.forEach(queue -> queue.ending = true);
        } finally {
            lock.unlock();
        }
    }

    private void message(int opcode, long address, int length, boolean first) {
        switch (opcode) {
            case OP_RESET_VF -> reset();
            case OP_DISABLE_QUEUES -> {
                int named = receiveQueues(address, length);
                for (Queue queue : queues) {
                    queue.ending |= (named >>> queue.number & 1) != 0;
                }
            }
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
                queues.get(queue).enable(now.get(queue).receive());
            }
        }
    }

    /** The receive queues that a message names; none if it is too short to be taken. */
    private int receiveQueues(long address, int length) {
        return length < QUEUE_SELECT ? 0 : admin.read(address, QUEUE_SELECT).getInt(RX_QUEUES);
    }
}
