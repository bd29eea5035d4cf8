package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * What a driver has posted to one receive queue: the address of the buffer in each slot of the ring that the device may write. It
 * has to be noted when it is posted, because the device overwrites it when it gives the slot back.
 *
 * <p>That a slot says done proves that it was written. That it does not say so proves nothing, since a driver clears slots before
 * it posts them.
 */
final class ReceiveShadow {
    private static final int DESCRIPTOR = QueuePair.Receive.DESCRIPTOR;
    private static final int STATUS = Long.BYTES;
    private static final long DONE = 1;
    private static final QueuePair.Receive NONE = new QueuePair.Receive(false, false, 0, 0, 0, 0, 0);

    /** In a slot with nothing. No buffer is there, since it would reach beyond 2^64. */
    private static final long NOTHING = -1;

    private final DmaSpace memory;
    private final DirtyPages dirty;
    private QueuePair.Receive queue = NONE;
    private long[] addresses = {};
    private ByteBuffer ring = ByteBuffer.allocateDirect(0);
    private int outstanding;

    ReceiveShadow(DmaSpace memory, DirtyPages dirty) {
        this.memory = memory;
        this.dirty = dirty;
    }

    /** The queue begins, and nothing is posted. */
    void begin(QueuePair.Receive context) {
        queue = context;
        addresses = new long[context.length()];
        Arrays.fill(addresses, NOTHING);
        ring = ByteBuffer.allocateDirect(context.length() * DESCRIPTOR).order(ByteOrder.LITTLE_ENDIAN);
        outstanding = 0;
    }

    /** There is no queue any more. */
    void end() {
        begin(NONE);
    }

    QueuePair.Receive queue() {
        return queue;
    }

    /** How many slots hold something. */
    int outstanding() {
        return outstanding;
    }

    int next(int slot) {
        return slot + 1 == addresses.length ? 0 : slot + 1;
    }

    /** Notes every slot that does not say done and may hold an address, wherever head and tail are. */
    void noteAll(List<DmaMapping> mappings) {
        long[] seen = new long[addresses.length];
        read(0, addresses.length);
        for (int slot = 0; slot < seen.length; slot++) {
            seen[slot] = isDone(slot) ? NOTHING : address(slot);
        }
        // The address was there before the device has given the slot back only if it has not even now.
        read(0, addresses.length);
        for (int slot = 0; slot < seen.length; slot++) {
            long address = seen[slot];
            if (!isDone(slot) && mappings.stream().anyMatch(mapping -> mapping.covers(address, 1))) {
                set(slot, address);
            }
        }
    }

    /** Reads the slots from one up to another. */
    void load(int from, int to) {
        if (to < from) {
            read(from, addresses.length);
            read(0, to);
        } else {
            read(from, to);
        }
    }

    /**
     * Notes the slots from one up to another as they were read last.
     *
     * @throws VfioException EIO if one says done already
     */
    void note(int from, int to) {
        for (int slot = from; slot != to; slot = next(slot)) {
            if (isDone(slot)) {
                throw new VfioException(Errno.EIO, "a descriptor that was posted says done");
            }
            set(slot, address(slot));
        }
    }

    /** Marks what a slot holds, and empties it. */
    void take(int slot) {
        if (addresses[slot] != NOTHING) {
            dirty.mark(addresses[slot], queue.bufferSize());
            set(slot, NOTHING);
        }
    }

    /** Marks and empties the slots that say done. */
    void takeDone() {
        if (outstanding > 0) {
            read(0, addresses.length);
            for (int slot = 0; slot < addresses.length; slot++) {
                if (isDone(slot)) {
                    take(slot);
                }
            }
        }
    }

    /** Marks what all slots hold, and leaves it there. */
    void markOutstanding() {
        for (long address : addresses) {
            if (address != NOTHING) {
                dirty.mark(address, queue.bufferSize());
            }
        }
    }

    /** Adds what a slot holds to others. */
    void addTo(AddressRanges ranges, int slot) {
        if (addresses[slot] != NOTHING) {
            ranges.add(addresses[slot], queue.bufferSize());
        }
    }

    /** Hands over what all slots hold. */
    void moveTo(AddressRanges ranges, Set<TrackingRule> rules) {
        if (rules.contains(TrackingRule.QUEUE_END)) {
            for (int slot = 0; slot < addresses.length; slot++) {
                addTo(ranges, slot);
            }
        }
        end();
    }

    private void set(int slot, long address) {
        outstanding += (address == NOTHING ? 0 : 1) - (addresses[slot] == NOTHING ? 0 : 1);
        addresses[slot] = address;
    }

    private void read(int from, int to) {
        if (from < to) {
            memory.read(
                    queue.base() + (long) from * DESCRIPTOR,
                    ring.limit(to * DESCRIPTOR).position(from * DESCRIPTOR));
            ring.clear();
        }
    }

    private boolean isDone(int slot) {
        return (ring.getLong(slot * DESCRIPTOR + STATUS) & DONE) != 0;
    }

    private long address(int slot) {
        return ring.getLong(slot * DESCRIPTOR);
    }
}
