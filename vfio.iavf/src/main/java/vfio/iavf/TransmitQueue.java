package vfio.iavf;

import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import vfio.pci.api.device.Memory;

/**
 * A TX queue.
 *
 * <p>Frames are posted, shown to the device by {@link #kick} and come back through {@link #reclaim}, in order. Nothing here
 * allocates. For one thread at a time.
 */
public final class TransmitQueue {
    static final int RING_ALIGNMENT = 4096;

    private static final int SHORTEST_FRAME = 17;

    private final RegisterSpace registers;
    private final Memory bytes;
    private final int tailRegister;
    private final int count;
    private final long ring;
    private final long ringAddress;
    private final int bufferSize;
    private final long buffers;
    private final long buffersAddress;

    /** What was written into each descriptor. */
    private final long[] addresses;

    private final long[] commands;
    /** For the first descriptor of each frame, its last. */
    private final int[] ends;

    private int next;
    private int tail;
    private int clean;
    private int first;

    TransmitQueue(RegisterSpace registers, GuestMemory memory, int queue, QueueSettings settings) {
        this.registers = registers;
        bytes = memory.bytes();
        tailRegister = VfRegister.transmitTail(queue);
        count = settings.ringSize();
        bufferSize = settings.bufferSize();
        ring = memory.allocate((long) count * TransmitDescriptor.SIZE, RING_ALIGNMENT);
        ringAddress = memory.address(ring);
        buffers = memory.allocate((long) count * bufferSize, RING_ALIGNMENT);
        buffersAddress = memory.address(buffers);
        addresses = new long[count];
        commands = new long[count];
        ends = new int[count];
    }

    long ringAddress() {
        return ringAddress;
    }

    int count() {
        return count;
    }

    /** Descriptors that can be posted now. */
    public int free() {
        int used = next - clean;
        return count - 1 - (used < 0 ? used + count : used);
    }

    /** Whether the device has everything back that was posted. */
    public boolean isIdle() {
        return clean == next;
    }

    /**
     * Posts a frame that lies in one piece.
     *
     * @param address where the device finds it
     * @param length bytes, 1 to 16383
     * @return whether there was room
     */
    public boolean post(long address, int length, TransmitOffload offload) {
        int needed = offload.context() == 0 ? 1 : 2;
        if (free() < needed) {
            return false;
        }
        begin(offload);
        fragment(address, length, offload, true);
        return true;
    }

    /**
     * Posts a frame that lies in several pieces.
     *
     * @param frames where the device finds each
     * @param lengths bytes of each, 1 to 16383
     * @param fragments how many there are
     * @return whether there was room
     */
    public boolean post(long[] frames, int[] lengths, int fragments, TransmitOffload offload) {
        if (free() < fragments + (offload.context() == 0 ? 0 : 1)) {
            return false;
        }
        begin(offload);
        for (int index = 0; index < fragments; index++) {
            fragment(frames[index], lengths[index], offload, index == fragments - 1);
        }
        return true;
    }

    /**
     * Copies a frame into buffers of the queue, one for each descriptor, and posts it. The hardware pads frames, but does not
     * take any shorter than 17 bytes, so these get zeros here.
     *
     * @param frame from position to limit, at least one byte; the position advances if there was room
     * @return whether there was room
     */
    public boolean send(ByteBuffer frame, TransmitOffload offload) {
        int fragments = (frame.remaining() + bufferSize - 1) / bufferSize;
        if (free() < fragments + (offload.context() == 0 ? 0 : 1)) {
            return false;
        }
        begin(offload);
        int end = frame.limit();
        while (frame.position() < end) {
            int length = Math.min(bufferSize, end - frame.position());
            long buffer = (long) next * bufferSize;
            bytes.put(buffers + buffer, frame.limit(frame.position() + length));
            frame.limit(end);
            for (; length < SHORTEST_FRAME && fragments == 1; length++) {
                bytes.putByte(buffers + buffer + length, (byte) 0);
            }
            fragment(buffersAddress + buffer, length, offload, frame.position() == end);
        }
        return true;
    }

    /** Shows the device what was posted. */
    public void kick() {
        if (tail != next) {
            VarHandle.releaseFence();
            tail = next;
            registers.write(tailRegister, tail);
        }
    }

    /**
     * Takes back what the device is done with.
     *
     * @return frames
     */
    public int reclaim() {
        int frames = 0;
        while (clean != tail) {
            int end = ends[clean];
            long command = command(end);
            if ((command & TransmitDescriptor.DTYPE_MASK) != TransmitDescriptor.DTYPE_DESC_DONE) {
                requireUntouched(end, command);
                break;
            }
            VarHandle.acquireFence();
            if (command != TransmitDescriptor.DTYPE_DESC_DONE
                    && command != (commands[end] | TransmitDescriptor.DTYPE_DESC_DONE)) {
                throw violation(end, "came back with 0x" + Long.toHexString(command));
            }
            for (int index = clean; index != end; index = after(index)) {
                requireUntouched(index, command(index));
            }
            clean = after(end);
            frames++;
        }
        return frames;
    }

    /** Checks that what is posted is untouched, but for frames that are done, in order and shown to the device. */
    public void checkUntouched() {
        boolean mayBeDone = true;
        for (int index = clean; index != next; index = after(ends[index])) {
            int end = ends[index];
            for (int part = index; part != end; part = after(part)) {
                requireUntouched(part, command(part));
            }
            long command = command(end);
            mayBeDone &= index != tail;
            if ((command & TransmitDescriptor.DTYPE_MASK) != TransmitDescriptor.DTYPE_DESC_DONE) {
                requireUntouched(end, command);
                mayBeDone = false;
            } else if (!mayBeDone) {
                throw violation(end, "is done, but one before it is not, or it is beyond the tail");
            }
        }
    }

    private void begin(TransmitOffload offload) {
        first = next;
        if (offload.context() != 0) {
            put(0, offload.context());
        }
    }

    private void fragment(long address, int length, TransmitOffload offload, boolean last) {
        if (length < 1 || length > TransmitDescriptor.BUFFER_MAXIMUM) {
            throw new IllegalArgumentException("a buffer of " + length + " bytes");
        }
        long command = offload.command();
        if (last) {
            command |= TransmitDescriptor.CMD_EOP | TransmitDescriptor.CMD_RS;
            ends[first] = next;
        }
        put(address, TransmitDescriptor.data(length, command));
        if (last) {
            first = next;
        }
    }

    private void put(long address, long command) {
        long descriptor = ring + (long) next * TransmitDescriptor.SIZE;
        addresses[next] = address;
        commands[next] = command;
        bytes.putLong(descriptor, address);
        bytes.putLong(descriptor + TransmitDescriptor.COMMAND, command);
        next = after(next);
    }

    private long command(int index) {
        return bytes.getLong(ring + (long) index * TransmitDescriptor.SIZE + TransmitDescriptor.COMMAND);
    }

    private int after(int index) {
        return index + 1 == count ? 0 : index + 1;
    }

    private void requireUntouched(int index, long command) {
        long address = bytes.getLong(ring + (long) index * TransmitDescriptor.SIZE);
        if (command != commands[index] || address != addresses[index]) {
            throw violation(
                    index,
                    "was 0x" + Long.toHexString(commands[index]) + " for 0x" + Long.toHexString(addresses[index])
                            + " and became 0x" + Long.toHexString(command) + " for 0x" + Long.toHexString(address));
        }
    }

    private static DeviceViolation violation(int index, String what) {
        return new DeviceViolation("TX descriptor " + index + " " + what);
    }
}
