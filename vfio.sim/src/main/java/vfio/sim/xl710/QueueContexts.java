package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Supplier;

/**
 * The contexts of a function's queues as bytes. The format is that of part {@code queues} in {@code docs/stream.md}, since others
 * read it, too.
 */
final class QueueContexts {
    private static final int COUNT = Integer.BYTES;
    private static final int PAIR = 64;
    private static final int RECEIVE = 32;

    private static final int CONFIGURED = 1;
    private static final int ENABLED = 1 << 1;
    private static final int HEAD_WRITE_BACK = 1 << 2;

    private final Vsi vsi;

    QueueContexts(Vsi vsi) {
        this.vsi = vsi;
    }

    byte[] encode() {
        int pairs = vsi.queuePairs();
        ByteBuffer out = ByteBuffer.allocate(COUNT + PAIR * pairs).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(pairs);
        for (int pair = 0; pair < pairs; pair++) {
            encode(vsi.transmitQueues[pair], out.position(COUNT + PAIR * pair));
            encode(vsi.receiveQueues[pair], out.position(COUNT + PAIR * pair + RECEIVE));
        }
        return out.array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in, int queuePairs) {
        int count = in.readInt();
        in.require(count == queuePairs, "there are " + count + " queue pairs and not " + queuePairs);
        TransmitQueue[] transmit = new TransmitQueue[queuePairs];
        ReceiveQueue[] receive = new ReceiveQueue[queuePairs];
        for (int pair = 0; pair < queuePairs; pair++) {
            transmit[pair] = transmitQueue(in, queuePairs);
            receive[pair] = receiveQueue(in, queuePairs);
        }
        return () -> {
            replace(vsi.transmitQueues, transmit, TransmitQueue::new);
            replace(vsi.receiveQueues, receive, ReceiveQueue::new);
        };
    }

    private static void encode(TransmitQueue queue, ByteBuffer out) {
        out.put(flags(queue.configured, queue.enabled, queue.headWriteBackEnabled))
                .put((byte) queue.vector)
                .putShort((short) queue.length)
                .putShort((short) queue.head)
                .putShort((short) 0)
                .putLong(queue.base)
                .putLong(queue.headWriteBackAddress);
    }

    private static void encode(ReceiveQueue queue, ByteBuffer out) {
        out.put(flags(queue.configured, queue.enabled, false))
                .put((byte) queue.vector)
                .putShort((short) queue.length)
                .putShort((short) queue.head)
                .putShort((short) 0)
                .putLong(queue.base)
                .putInt(queue.bufferSize)
                .putInt(queue.maximumFrame);
    }

    private static TransmitQueue transmitQueue(PartReader in, int queuePairs) {
        TransmitQueue queue = new TransmitQueue();
        int flags = flags(in, CONFIGURED | ENABLED | HEAD_WRITE_BACK);
        queue.vector = vector(in, queuePairs);
        int length = in.readShort();
        int head = in.readShort();
        in.readZeros(2);
        long base = in.readLong();
        long headAddress = in.readLong();
        in.readZeros(8);
        if ((flags & CONFIGURED) != 0) {
            in.require(
                    TransmitQueue.isRing(base, length), "a transmit queue has " + length + " descriptors at " + base);
            in.require(head < length, "head " + head + " lies outside a ring of " + length);
            queue.configure(base, length, (flags & HEAD_WRITE_BACK) != 0, headAddress);
            queue.enabled = (flags & ENABLED) != 0;
            queue.head = head;
        } else {
            in.require((flags | length | head | base | headAddress) == 0, "a transmit queue without a ring has some");
        }
        return queue;
    }

    private static ReceiveQueue receiveQueue(PartReader in, int queuePairs) {
        ReceiveQueue queue = new ReceiveQueue();
        int flags = flags(in, CONFIGURED | ENABLED);
        queue.vector = vector(in, queuePairs);
        int length = in.readShort();
        int head = in.readShort();
        in.readZeros(2);
        long base = in.readLong();
        int buffer = in.readInt();
        int frame = in.readInt();
        in.readZeros(8);
        if ((flags & CONFIGURED) != 0) {
            in.require(ReceiveQueue.isRing(base, length), "a receive queue has " + length + " descriptors at " + base);
            in.require(head < length, "head " + head + " lies outside a ring of " + length);
            in.require(
                    ReceiveQueue.takes(buffer, frame),
                    "a receive queue has buffers of " + buffer + " bytes for frames of " + frame);
            queue.configure(base, length, buffer, frame);
            queue.enabled = (flags & ENABLED) != 0;
            queue.head = head;
        } else {
            in.require((flags | length | head | base | buffer | frame) == 0, "a receive queue without a ring has some");
        }
        return queue;
    }

    private static byte flags(boolean configured, boolean enabled, boolean headWriteBack) {
        return (byte) ((configured ? CONFIGURED : 0) | (enabled ? ENABLED : 0) | (headWriteBack ? HEAD_WRITE_BACK : 0));
    }

    private static int flags(PartReader in, int known) {
        int flags = in.readByte();
        in.require((flags & ~known) == 0, "a queue has the flags 0x" + Integer.toHexString(flags));
        return flags;
    }

    private static int vector(PartReader in, int queuePairs) {
        int vector = in.readByte();
        in.require(vector <= queuePairs, "a queue has vector " + vector + " of " + (queuePairs + 1));
        return vector;
    }

    private static <T> void replace(T[] queues, T[] by, Supplier<T> unused) {
        for (int queue = 0; queue < queues.length; queue++) {
            queues[queue] = queue < by.length ? by[queue] : unused.get();
        }
    }
}
