package mediate.i40e;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.mediate.MediationContext;

/**
 * Hears of interrupts before the client does, and looks then where the heads of queues are. Nothing has to be trapped.
 *
 * <p>A head says where a queue is, not how often it has been round, and a driver that polls has no interrupts. So a queue that may
 * have moved since the last look counts as having written all buffers that are known, whatever slots they are in. At least one slot
 * that was posted at the last look has to be there still, and all that are have to be as they were; else the look came too late, and
 * nobody knows what was written meanwhile. What remains is a queue that went round between two looks with other buffers, and in the end has
 * those that it had before, each in its slot.
 */
final class InterruptTracker extends Tracker {
    private static final int INTENA = 1;

    private final List<Queue> queues = new ArrayList<>();

    /** Vectors that have fired since the last look. */
    private final AtomicLong fired = new AtomicLong();

    /** A receive queue. For whoever has the lock. */
    private final class Queue {
        private final int number;
        private final ReceiveShadow shadow;
        private boolean live;
        private int head;

        /** Up to here slots are noted. */
        private int noted;

        /** Whether its driver could poll at the last look, and so has no interrupts. */
        private boolean polled;

        Queue(int number, ReceiveShadow shadow) {
            this.number = number;
            this.shadow = shadow;
        }

        /** Posted slots that the device gives back meanwhile were written before. */
        void arm(QueuePair.Receive queue, List<DmaMapping> mappings) {
            live = queue.enabled();
            if (live) {
                begin(queue);
                if (has(TrackingRule.ARM_SCAN)) {
                    shadow.noteAll(mappings);
                }
                noted = tailOf(number);
            }
        }

        void follow(QueuePair.Receive context, long vectors) {
            if (!context.enabled()) {
                if (live && has(TrackingRule.QUEUE_END)) {
                    doubt("a queue has ended, and what was posted last is not known", "");
                }
                shadow.end();
                live = false;
            } else if (live) {
                if (context.isLike(shadow.queue())) {
                    advance(context, vectors);
                } else {
                    doubt("a queue has been configured anew between two looks", "");
                }
            } else if (context.head() == 0 || !has(TrackingRule.UNSEEN_ENABLE)) {
                live = true;
                begin(context);
                note(context);
            } else {
                doubt("a queue has been enabled and used between two looks", "");
            }
        }

        private void begin(QueuePair.Receive context) {
            shadow.begin(context);
            head = context.head();
            noted = head;
            polled = true;
        }

        private void advance(QueuePair.Receive context, long vectors) {
            boolean polling = (bar0.getInt(control(context.vector())) & INTENA) == 0;
            boolean moved = context.head() != head || polling || polled || (vectors >>> context.vector() & 1) != 0;
            polled = polling;
            if (!moved) {
                note(context);
                return;
            }
            if (has(TrackingRule.LATE_LOOK)
                    && (distance(head, context.head()) >= distance(head, noted)
                            || !shadow.isUnchanged(context.head(), noted))) {
                doubt("a queue went further between two looks than was noted", "");
                return;
            }
            if (has(TrackingRule.HEAD_MOVED)) {
                shadow.markOutstanding();
            }
            head = context.head();
            note(context);
        }

        private void note(QueuePair.Receive context) {
            int tail = tailOf(number);
            if (tail >= context.length()) {
                doubt("a tail lies outside its ring", "");
            } else {
                shadow.note(noted, tail);
                noted = tail;
            }
        }

        private int distance(int from, int to) {
            return to - from + (to < from ? shadow.queue().length() : 0);
        }
    }

    InterruptTracker(
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
        List<DmaMapping> mappings = context.mappings();
        for (int queue = 0; queue < now.size(); queue++) {
            queues.get(queue).arm(now.get(queue).receive(), mappings);
        }
        return true;
    }

    @Override
    void follow(List<QueuePair> now, boolean drained) {
        long vectors = fired.getAndSet(0);
        if (admin.look() > 1 && has(TrackingRule.UNSEEN_ENABLE)) {
            doubt("several messages of the driver were taken between two looks", "");
            return;
        }
        for (int queue = 0; queue < now.size(); queue++) {
            queues.get(queue).follow(now.get(queue).receive(), vectors);
        }
    }

    /** On the thread of the device, which must not wait for one that waits for the device. Who looks now looks for both. */
    @Override
    void interrupt(int vector) {
        fired.getAndUpdate(vectors -> vectors | 1L << vector);
        if (lock.tryLock()) {
            try {
                look();
            } finally {
                lock.unlock();
            }
        }
    }

    private static int control(int vector) {
        return vector == 0 ? VfRegister.VFINT_DYN_CTL01.at(0) : VfRegister.VFINT_DYN_CTLN1.at(vector - 1);
    }
}
