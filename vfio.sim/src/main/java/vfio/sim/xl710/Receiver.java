package vfio.sim.xl710;

import vfio.pci.api.device.Memory;
import vfio.pci.api.device.VfioException;

/**
 * Takes frames into the receive queues of a function, writes their descriptors back when it is time, see {@link ReceiveQueue}, and
 * says which vectors are due. For the engine's thread.
 */
final class Receiver {
    private static final long LOOPBACK = 1 << 14;
    private static final long HASH_VALID = 3 << 12;

    private final Memory registers;
    private final Vsi vsi;
    private final GuestAccess guest;
    private final InterruptControl interrupts;
    private final Statistics statistics;
    private final ReceivePath path;
    private final Owner owner;

    /** Whether a queue may have descriptors that wait. */
    private boolean deferring;

    /** Is told what comes of it. */
    interface Owner {
        /** A vector has something to report at the end of the round. */
        void due(int vector);

        /** A driver did what it must not do. */
        void malicious(String consequence, MaliciousDriverException event);
    }

    /** @param path has the scratch memory */
    Receiver(
            Memory registers,
            Vsi vsi,
            GuestAccess guest,
            InterruptControl interrupts,
            Statistics statistics,
            ReceivePath path,
            Owner owner) {
        this.registers = registers;
        this.vsi = vsi;
        this.guest = guest;
        this.interrupts = interrupts;
        this.statistics = statistics;
        this.path = path;
        this.owner = owner;
    }

    /** Takes a frame, or counts it as discarded. */
    void receive(Frame frame, CastType type) {
        boolean hashed = vsi.scaling.hash(frame.bytes(), frame.headers());
        int number = hashed ? vsi.scaling.queue() % vsi.queuePairs() : 0;
        ReceiveQueue queue = vsi.receiveQueues[number];
        if (!queue.enabled) {
            statistics.add(Statistics.Counter.RX_DISCARDS, 1);
            return;
        }
        int tail = registers.getInt(VfRegister.QRX_TAIL1.at(number)) & ReceiveQueue.TAIL_MASK;
        long status = frame.status() | (frame.isLocal() ? LOOPBACK : 0) | (hashed ? HASH_VALID : 0);
        try {
            if (path.write(
                    guest,
                    queue,
                    tail,
                    frame.bytes(),
                    frame.offset(),
                    frame.length(),
                    vsi.scaling.value(),
                    status,
                    isImmediate(queue))) {
                statistics.received(type, frame.length());
                if (queue.defers()) {
                    defer(queue);
                } else {
                    owner.due(queue.vector);
                }
            } else {
                statistics.add(Statistics.Counter.RX_DISCARDS, 1);
            }
        } catch (MaliciousDriverException e) {
            stop(number, e);
        }
    }

    /** Writes back what need not wait any longer. Returns whether there was anything. */
    boolean poll() {
        return deferring && writeBack(false);
    }

    /** Writes back everything. */
    void flush() {
        writeBack(true);
    }

    private boolean writeBack(boolean all) {
        deferring = false;
        interrupts.endDeferring();
        boolean wrote = false;
        for (int number = 0; number < vsi.queuePairs(); number++) {
            ReceiveQueue queue = vsi.receiveQueues[number];
            if (!queue.defers()) {
                continue;
            }
            if (!all && !isImmediate(queue)) {
                defer(queue);
                continue;
            }
            try {
                queue.writeBack(guest);
                owner.due(queue.vector);
            } catch (VfioException e) {
                stop(number, new MaliciousDriverException(e));
            }
            wrote = true;
        }
        return wrote;
    }

    private boolean isImmediate(ReceiveQueue queue) {
        return interrupts.writesBack(queue.vector);
    }

    private void stop(int receiveQueue, MaliciousDriverException event) {
        vsi.receiveQueues[receiveQueue].disable();
        owner.malicious("receive queue " + receiveQueue + " is stopped", event);
    }

    private void defer(ReceiveQueue queue) {
        deferring = true;
        interrupts.defer(queue.vector);
    }
}
