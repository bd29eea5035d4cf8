package vfio.iavf;

import java.lang.invoke.VarHandle;
import vfio.pci.api.device.Memory;

/**
 * An RX queue with a buffer for each descriptor.
 *
 * <p>Frames are taken by {@link #poll}, which also gives buffers back to the device, 16 at a time. Nothing here allocates. For
 * one thread at a time.
 */
public final class ReceiveQueue {
    /** How many buffers are given back at once. */
    private static final int REFILL = 16;

    private static final int SHORTEST_FRAME = 60;
    private static final byte CANARY = (byte) 0xc3;

    private final RegisterSpace registers;
    private final GuestMemory memory;
    private final Memory bytes;
    private final int tailRegister;
    private final int count;
    private final int bufferSize;
    private final int maximumFrame;
    private final boolean canaries;
    private final long ring;
    private final long buffers;
    private final ReceivedFrame frame;

    /** The slot of the next frame, the next slot to offer, and the first slot that is not offered. */
    private int next;

    private int fill;
    private int tail;

    ReceiveQueue(
            RegisterSpace registers, GuestMemory memory, int queue, QueueSettings settings, DriverOptions options) {
        this.registers = registers;
        this.memory = memory;
        bytes = memory.bytes();
        tailRegister = VfRegister.receiveTail(queue);
        count = settings.ringSize();
        bufferSize = settings.bufferSize();
        maximumFrame = settings.maximumFrame();
        canaries = options.canaries();
        ring = memory.allocate((long) count * ReceiveDescriptor.SIZE, TransmitQueue.RING_ALIGNMENT);
        buffers = memory.allocate((long) count * bufferSize, TransmitQueue.RING_ALIGNMENT);
        frame = new ReceivedFrame(bytes, buffers, bufferSize, count);
    }

    long ringAddress() {
        return memory.address(ring);
    }

    int count() {
        return count;
    }

    /** Offers all buffers but one, before the device knows the queue. */
    void start() {
        refill(count - 1);
    }

    /**
     * Takes frames.
     *
     * @param handler called for each
     * @param budget most frames
     * @return how many there were; fewer than the budget if there are no more
     */
    public int poll(FrameHandler handler, int budget) {
        long behind = quadword1(tail);
        require(behind == 0, tail, "was written, but was not offered", behind);
        int frames = 0;
        while (frames < budget && assemble()) {
            handler.frame(frame);
            frames++;
            next = slot(next + frame.descriptors());
            int unused = next - 1 - fill;
            if (unused < 0) {
                unused += count;
            }
            if (unused >= REFILL) {
                refill(unused);
            }
        }
        return frames;
    }

    /** Whether a frame, or a part of one, is there. */
    public boolean isReady() {
        return next != tail && (quadword1(next) & ReceiveDescriptor.STATUS_DD) != 0;
    }

    private boolean assemble() {
        int length = 0;
        int slots = 0;
        int slot = next;
        while (true) {
            long status = quadword1(slot);
            if ((status & ReceiveDescriptor.STATUS_DD) == 0) {
                require(status == 0, slot, "was written without DD", status);
                return false;
            }
            require(slot != tail, slot, "was written, but was not offered", status);
            VarHandle.acquireFence();
            int part = ReceiveDescriptor.length(status);
            length += part;
            slots++;
            require(part > 0 && part <= bufferSize, slot, "has a length out of range", status);
            if ((status & ReceiveDescriptor.STATUS_EOP) != 0) {
                checkEnd(slot, length, status);
                frame.set(next, slots, length, bytes.getLong(descriptor(slot)), status);
                checkFrame(slot, part, status);
                return true;
            }
            require(
                    (status & ~ReceiveDescriptor.ALLOWED_BEFORE_END) == 0,
                    slot,
                    "is not the end of its frame and says more than a length",
                    status);
            require(part == bufferSize, slot, "is neither the end of its frame nor full", status);
            slot = slot(slot + 1);
        }
    }

    private void checkEnd(int slot, int length, long status) {
        require((status & ~ReceiveDescriptor.ALLOWED_AT_END) == 0, slot, "says what nobody asked for", status);
        require(length >= SHORTEST_FRAME, slot, "ends a frame shorter than Ethernet allows", status);
        require(length <= maximumFrame, slot, "ends a frame longer than the queue takes", status);
        long filter = (status >>> ReceiveDescriptor.STATUS_FLTSTAT_SHIFT) & ReceiveDescriptor.STATUS_FLTSTAT_MASK;
        require(
                filter == 0 || filter == ReceiveDescriptor.FLTSTAT_RSS_HASH,
                slot,
                "has a hash status that is neither none nor RSS",
                status);
        require(
                (status & ReceiveDescriptor.STATUS_L3L4P) != 0
                        || (status & (ReceiveDescriptor.ERROR_IPE | ReceiveDescriptor.ERROR_L4E)) == 0,
                slot,
                "reports a checksum that was not looked at",
                status);
        require(
                (bytes.getLong(descriptor(slot) + ReceiveDescriptor.QUADWORD_2) & ReceiveDescriptor.EXT_L2TAG2P) == 0,
                slot,
                "reports a second tag",
                status);
    }

    private void checkFrame(int slot, int part, long status) {
        boolean group = (frame.getByte(0) & 1) != 0;
        boolean broadcast = group && frame.getInt(0) == -1 && frame.getShort(Integer.BYTES) == 0xffff;
        ReceivedFrame.Destination expected = broadcast
                ? ReceivedFrame.Destination.BROADCAST
                : group ? ReceivedFrame.Destination.MULTICAST : ReceivedFrame.Destination.UNICAST;
        require(frame.destination() == expected, slot, "is wrong about the kind of its destination", status);
        if (canaries) {
            long end = buffer(slot) + part;
            long touched = memory.mismatch(end, bufferSize - part, CANARY);
            require(touched < 0, slot, "has a buffer that was written beyond the frame", status);
        }
    }

    private void refill(int number) {
        for (int left = number; left > 0; left--) {
            long descriptor = descriptor(fill);
            if (canaries) {
                memory.fill(buffer(fill), bufferSize, CANARY);
            }
            bytes.putLong(descriptor, memory.address(buffer(fill)));
            bytes.putLong(descriptor + ReceiveDescriptor.QUADWORD_1, 0);
            bytes.putLong(descriptor + ReceiveDescriptor.QUADWORD_2, 0);
            bytes.putLong(descriptor + ReceiveDescriptor.QUADWORD_3, 0);
            fill = slot(fill + 1);
        }
        bytes.putLong(descriptor(fill) + ReceiveDescriptor.QUADWORD_1, 0);
        VarHandle.releaseFence();
        tail = fill;
        registers.write(tailRegister, tail);
    }

    private long quadword1(int slot) {
        return bytes.getLong(descriptor(slot) + ReceiveDescriptor.QUADWORD_1);
    }

    private long descriptor(int slot) {
        return ring + (long) slot * ReceiveDescriptor.SIZE;
    }

    private long buffer(int slot) {
        return buffers + (long) slot * bufferSize;
    }

    private int slot(int index) {
        return index < count ? index : index - count;
    }

    private static void require(boolean rule, int slot, String otherwise, long status) {
        if (!rule) {
            throw new DeviceViolation("RX descriptor " + slot + " " + otherwise + ": 0x" + Long.toHexString(status));
        }
    }
}
