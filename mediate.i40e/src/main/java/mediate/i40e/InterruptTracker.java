package mediate.i40e;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.mediate.MediationContext;

/**
 * Hears of interrupts before the client does, and looks then where the heads of queues are. Their tails need not be trapped.
 *
 * <p>A head says where a queue is, not how often it has been round. So the frames count that the host has counted since the last look: with fewer
 * buffers than slots, the queue cannot have gone round, and has written those that its head has passed. All of them have to be known from the last
 * look; else it came too late, and nobody knows what was written meanwhile.
 *
 * <p>The driver's messages are trapped, so no queue begins unseen.
 */
final class InterruptTracker extends Tracker {
    private final List<Queue> queues = new ArrayList<>();
    private final HardwareState hardware;

    /** What had been counted before the queues were asked for. */
    private ReceivedFrames before = ReceivedFrames.NONE;

    /** A receive queue. For whoever has the lock. */
    private final class Queue {
        private final int number;
        private final ReceiveShadow shadow;
        private boolean live;

        private int head;

        /** What had been counted before the head was there. */
        private ReceivedFrames counted = ReceivedFrames.NONE;

        /** Up to here slots are noted. */
        private int noted;

        /** Up to here slots were noted before this look. */
        private int notedBefore;

        Queue(int number, ReceiveShadow shadow) {
            this.number = number;
            this.shadow = shadow;
        }

        /** Posted slots that the device gives back meanwhile were written before. */
        boolean arm(QueuePair.Receive context, List<DmaMapping> mappings) {
            live = context.enabled();
            if (!live) {
                return true;
            }
            begin(context, before);
            // The tail first: what is posted behind it is noted later, as it is then.
            noted = tailOf(number);
            notedBefore = noted;
            if (has(TrackingRule.ARM_SCAN)) {
                shadow.noteAll(mappings);
            }
            return noted < context.length();
        }

        void enable(QueuePair.Receive context, ReceivedFrames now) {
            if (live != context.enabled()) {
                doubt("a queue has begun or ended between two looks", "");
            } else if (!live && context.configured()) {
                begin(context, now);
                head = 0;
                noted = 0;
                live = true;
                if (has(TrackingRule.ENABLE_NOTES)) {
                    note();
                }
                notedBefore = noted;
            }
        }

        void follow(QueuePair.Receive context, ReceivedFrames now) {
            notedBefore = noted;
            if (live && context.enabled() && context.isLike(shadow.queue())) {
                advance(context, now);
            } else if (live || context.enabled()) {
                end();
            }
        }

        /** The device has come to no slot that was noted at this look while that was read. */
        void confirm(QueuePair.Receive context, ReceivedFrames now) {
            if (hasNoted() && has(TrackingRule.LATE_LOOK) && !isWithin(notedBefore, context, now)) {
                doubt("a queue used buffers while they were noted", "");
            }
        }

        boolean hasNoted() {
            return live && noted != notedBefore;
        }

        private void begin(QueuePair.Receive context, ReceivedFrames until) {
            shadow.begin(context);
            head = context.head();
            counted = until;
        }

        private void advance(QueuePair.Receive context, ReceivedFrames now) {
            if (has(TrackingRule.LATE_LOOK) && !isWithin(noted, context, now)) {
                doubt("a queue may have used more between two looks than was noted", "");
                return;
            }
            if (has(TrackingRule.HEAD_MOVED)) {
                for (int slot = head; slot != context.head(); slot = shadow.next(slot)) {
                    shadow.take(slot);
                }
            }
            head = context.head();
            counted = before;
            note();
        }

        /** Of what was posted last a part may have been written, or been about to be. */
        private void end() {
            if (has(TrackingRule.QUEUE_END)) {
                doubt("a queue has begun or ended between two looks", "");
            }
            shadow.end();
            live = false;
        }

        /** Whether the queue runs and has certainly not gone beyond a slot. */
        private boolean isWithin(int slot, QueuePair.Receive context, ReceivedFrames now) {
            int length = shadow.queue().length();
            long most = now.buffersSince(counted, shadow.queue().bufferSize());
            int used = distance(head, context.head(), length);
            return context.enabled() && used <= most && most < length && used <= distance(head, slot, length);
        }

        private void note() {
            int tail = tailOf(number);
            if (tail >= shadow.queue().length()) {
                doubt("a tail lies outside its ring", "");
            } else {
                if (has(TrackingRule.POST_NOTES)) {
                    shadow.load(noted, tail);
                    shadow.note(noted, tail);
                }
                noted = tail;
            }
        }

        private static int distance(int from, int to, int length) {
            return to - from + (to < from ? length : 0);
        }
    }

    InterruptTracker(
            MediationContext context,
            HardwareState hardware,
            Set<TrackingRule> rules,
            DirtyPages dirty,
            TrackingLog log) {
        super(context, hardware, rules, dirty, log);
        this.hardware = hardware;
        shadows.forEach(shadow -> queues.add(new Queue(queues.size(), shadow)));
    }

    @Override
    void prepare() {
        before = ReceivedFrames.read(hardware);
        if (!isDoubtful()) {
            admin.noteReceiveQueue();
        }
    }

    @Override
    boolean arm(List<QueuePair> now, boolean drained) {
        List<DmaMapping> mappings = context.mappings();
        boolean armed = drained;
        for (int queue = 0; armed && queue < now.size(); queue++) {
            armed = queues.get(queue).arm(now.get(queue).receive(), mappings);
        }
        return armed;
    }

    @Override
    void follow(List<QueuePair> now, boolean drained) {
        ReceivedFrames received = ReceivedFrames.read(hardware);
        for (int queue = 0; queue < now.size(); queue++) {
            queues.get(queue).follow(now.get(queue).receive(), received);
        }
        if (queues.stream().anyMatch(Queue::hasNoted)) {
            List<QueuePair> later = queues();
            ReceivedFrames meanwhile = ReceivedFrames.read(hardware);
            for (int queue = 0; queue < later.size(); queue++) {
                queues.get(queue).confirm(later.get(queue).receive(), meanwhile);
            }
        }
    }

    @Override
    void enable(int queue, QueuePair.Receive context) {
        queues.get(queue).enable(context, ReceivedFrames.read(hardware));
    }

    /** On the thread of the device, which must not wait for one that waits for the device. Who looks now looks for both. */
    @Override
    void interrupt(int vector) {
        if (lock.tryLock()) {
            try {
                look();
            } finally {
                lock.unlock();
            }
        }
    }
}
