package vfio.sim.xl710;

import vfio.pci.api.device.VfioException;

/**
 * Writes back the receive descriptors of a function that wait for it, see {@link ReceiveQueue}, and says which vectors are due. For
 * the engine's thread.
 */
final class WriteBack {
    private final Vsi vsi;
    private final GuestAccess guest;
    private final InterruptControl interrupts;
    private final Owner owner;

    /** Whether a queue may have descriptors that wait. */
    private boolean deferring;

    /** Is told what comes of it. */
    interface Owner {
        /** A vector has something to report at the end of the round. */
        void due(int vector);

        /** A receive queue reaches memory that is not mapped. */
        void stop(int receiveQueue, MaliciousDriverException event);
    }

    WriteBack(Vsi vsi, GuestAccess guest, InterruptControl interrupts, Owner owner) {
        this.vsi = vsi;
        this.guest = guest;
        this.interrupts = interrupts;
        this.owner = owner;
    }

    /** Whether a queue's descriptors need not wait. */
    boolean isImmediate(ReceiveQueue queue) {
        return interrupts.writesBack(queue.vector);
    }

    /** A queue has taken a frame. */
    void received(ReceiveQueue queue) {
        if (queue.defers()) {
            defer(queue);
        } else {
            owner.due(queue.vector);
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
                owner.stop(number, new MaliciousDriverException(e));
            }
            wrote = true;
        }
        return wrote;
    }

    private void defer(ReceiveQueue queue) {
        deferring = true;
        interrupts.defer(queue.vector);
    }
}
