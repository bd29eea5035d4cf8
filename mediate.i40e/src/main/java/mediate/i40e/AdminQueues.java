package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Set;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The admin queues of a function, as far as the device writes to them and messages in them matter. Few bytes, seldom used: what
 * may have been written is marked every time.
 */
final class AdminQueues {
    private static final int DESCRIPTOR = 32;
    private static final int FLAGS = 0;
    private static final int OPCODE = 2;
    private static final int DATA_LENGTH = 4;
    private static final int MESSAGE = 8;
    private static final int ADDRESS_HIGH = 24;
    private static final int ADDRESS_LOW = 28;
    private static final int FLAG_RD = 0x400;
    private static final int FLAG_BUF = 0x1000;
    private static final int SEND_MSG_TO_PF = 0x0801;

    /** Bytes of a buffer of the ARQ. When a message has come, its descriptor tells the message's length only. */
    private static final int ARQ_BUFFER = 4096;

    private static final int BUFFER_MAXIMUM = 0xffff;

    private final RegionRegisters bar0;
    private final DmaSpace memory;
    private final DirtyPages dirty;
    private final Set<TrackingRule> rules;
    private final AddressRanges former;
    private final AddressRanges answers = new AddressRanges();
    private Ring arq = new Ring(0, 0);
    private Ring atq = new Ring(0, 0);
    private long[] buffers = {};

    /** The tail of the ATQ that the driver has written last, which may not have reached the device; -1 if that is not known. */
    private int announcedTail = -1;

    /** A ring that is enabled has a length above 0. */
    private record Ring(long base, int length) {
        long size() {
            return (long) length * DESCRIPTOR;
        }
    }

    /** Gets the messages of the driver. */
    interface Receiver {
        /**
         * The driver sends a message, and the device does not know that yet.
         *
         * @param opcode of virtchnl
         * @param address of its content
         * @param length of its content
         * @param first whether the device has taken all messages before
         */
        void message(int opcode, long address, int length, boolean first);
    }

    /** @param former takes what is not in use any more, to be marked once more */
    AdminQueues(
            RegionRegisters bar0, DmaSpace memory, DirtyPages dirty, Set<TrackingRule> rules, AddressRanges former) {
        this.bar0 = bar0;
        this.memory = memory;
        this.dirty = dirty;
        this.rules = rules;
        this.former = former;
    }

    /** Whether the device has taken all messages. */
    boolean isDrained() {
        int tail = announcedTail < 0 ? index(VfRegister.VF_ATQT1) : announcedTail;
        return atq().length == 0 || index(VfRegister.VF_ATQH1) == tail;
    }

    /** Finds out what is in use, knowing nothing. */
    void look() {
        answers.clear();
        noteReceiveQueue();
        noteTransmitQueue(atq());
        if (atq.length != 0) {
            int tail = index(VfRegister.VF_ATQT1);
            read((tail + 1) % atq.length, tail, (opcode, address, length, first) -> {});
        }
    }

    /** Whether the ARQ is elsewhere than where it was seen last, and may be in use. */
    boolean hasMoved() {
        return !arq().equals(arq) && index(VfRegister.VF_ARQH1) != index(VfRegister.VF_ARQT1) && arq().length != 0;
    }

    /** Looks what the ARQ is made of: the driver has made buffers ready, or is about to use others. */
    void noteReceiveQueue() {
        Ring now = arq();
        if (now.length == 0) {
            return;
        }
        ByteBuffer ring = read(now.base, (int) now.size());
        long[] seen = new long[now.length];
        for (int slot = 0; slot < seen.length; slot++) {
            seen[slot] = address(ring, slot * DESCRIPTOR);
        }
        if (!now.equals(arq) || !Arrays.equals(seen, buffers)) {
            former.add(arq.base, arq.size());
            for (long buffer : buffers) {
                former.add(buffer, ARQ_BUFFER);
            }
        }
        arq = now;
        buffers = seen;
    }

    /** VF_ATQT1 is about to be written. */
    void announceTail(int newTail) {
        announcedTail = newTail;
    }

    /** The registers have been written by somebody else than the driver. */
    void forgetTail() {
        announcedTail = -1;
    }

    /** VF_ATQT1 is about to be written: the driver sends messages. */
    void noteTransmitQueue(int newTail, Receiver receiver) {
        Ring now = atq();
        if (now.length != 0) {
            noteTransmitQueue(now);
            read(index(VfRegister.VF_ATQT1), newTail, receiver);
        }
    }

    /**
     * Marks all that the device may have written.
     *
     * @param drained whether it had taken all messages before the state of queues was asked for
     */
    void mark(boolean drained) {
        if (rules.contains(TrackingRule.ARQ_RING)) {
            dirty.mark(arq.base, arq.size());
        }
        if (rules.contains(TrackingRule.ARQ_BUFFERS)) {
            for (long buffer : buffers) {
                dirty.mark(buffer, ARQ_BUFFER);
            }
        }
        if (rules.contains(TrackingRule.ATQ_RING)) {
            dirty.mark(atq.base, atq.size());
        }
        if (rules.contains(TrackingRule.ATQ_BUFFERS)) {
            answers.mark(dirty);
        }
        if (drained) {
            answers.clear();
        }
    }

    /** Reads client memory. */
    ByteBuffer read(long iova, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        memory.read(iova, bytes);
        return bytes.clear();
    }

    private void noteTransmitQueue(Ring now) {
        if (!now.equals(atq)) {
            former.add(atq.base, atq.size());
            atq = now;
        }
    }

    private void read(int from, int to, Receiver receiver) {
        if (from >= atq.length || to >= atq.length) {
            throw new VfioException(Errno.EIO, "a tail of the admin transmit queue lies outside its ring");
        }
        int head = index(VfRegister.VF_ATQH1);
        ByteBuffer ring = read(atq.base, (int) atq.size());
        for (int slot = from; slot != to; slot = slot + 1 == atq.length ? 0 : slot + 1) {
            ByteBuffer descriptor = ring.slice(slot * DESCRIPTOR, DESCRIPTOR).order(ByteOrder.LITTLE_ENDIAN);
            int flags = descriptor.getShort(FLAGS);
            long address = address(descriptor, 0);
            int length = descriptor.getShort(DATA_LENGTH) & BUFFER_MAXIMUM;
            if ((flags & FLAG_BUF) != 0 && (flags & FLAG_RD) == 0) {
                answers.add(address, length);
            }
            if (descriptor.getShort(OPCODE) == SEND_MSG_TO_PF) {
                receiver.message(descriptor.getInt(MESSAGE), address, length, slot == head);
            }
        }
    }

    private Ring arq() {
        return ring(VfRegister.VF_ARQLEN1, VfRegister.VF_ARQBAH1, VfRegister.VF_ARQBAL1);
    }

    private Ring atq() {
        return ring(VfRegister.VF_ATQLEN1, VfRegister.VF_ATQBAH1, VfRegister.VF_ATQBAL1);
    }

    private Ring ring(VfRegister length, VfRegister high, VfRegister low) {
        int value = bar0.getInt(length.at(0));
        long base = (long) bar0.getInt(high.at(0)) << 32 | Integer.toUnsignedLong(bar0.getInt(low.at(0)));
        return (value & VfRegister.ENABLE) == 0 ? new Ring(0, 0) : new Ring(base, value & VfRegister.AQ_MASK);
    }

    private int index(VfRegister register) {
        return bar0.getInt(register.at(0)) & VfRegister.AQ_MASK;
    }

    private static long address(ByteBuffer bytes, int descriptor) {
        return (long) bytes.getInt(descriptor + ADDRESS_HIGH) << 32
                | Integer.toUnsignedLong(bytes.getInt(descriptor + ADDRESS_LOW));
    }
}
