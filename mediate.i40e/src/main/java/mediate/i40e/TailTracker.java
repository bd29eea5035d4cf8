package mediate.i40e;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.mediate.MediationContext;

/**
 * Watches the tails of queues, which have to be trapped: a buffer is noted when it is posted, and marked when its descriptor says
 * done, when its slot is posted anew, when its queue has ended, or when the device stops.
 *
 * <p>A queue ends some time after the driver has asked for that. So it counts as one that runs until it is seen to have ended, when the next message
 * enables it or at the next look.
 */
final class TailTracker extends Tracker {
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
            // What is read here and not there any more was given back before, so it is marked afterwards.
            shadow.load(tail, newTail);
            if (has(TrackingRule.POST_MARKS)) {
                for (int slot = tail; slot != newTail; slot = shadow.next(slot)) {
                    take(slot);
                }
                if (has(TrackingRule.POST_MARKS_AT_TAIL)) {
                    take(newTail);
                }
            }
            if (has(TrackingRule.POST_NOTES)) {
                shadow.note(tail, newTail);
            }
            tail = newTail;
        }

        /** While the queue is ending, the slot may be posted for its successor, and what it held still be written. */
        private void take(int slot) {
            if (ending) {
                shadow.addTo(former, slot);
            }
            shadow.take(slot);
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
                        shadow.load(0, tail);
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
    void post(int queue, int newTail) {
        queues.get(queue).post(newTail);
    }

    @Override
    void enable(int queue, QueuePair.Receive context) {
        queues.get(queue).enable(context);
    }

    @Override
    void ending(int named) {
        for (Queue queue : queues) {
            queue.ending |= (named >>> queue.number & 1) != 0;
        }
    }
}
