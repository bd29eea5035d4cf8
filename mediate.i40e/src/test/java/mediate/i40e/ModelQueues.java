package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;

/** A pair of queues of a {@link ModelFunction}, as the device has it. */
final class ModelQueues {
    static final int LENGTH = 32;
    static final int BUFFER = 2048;

    private static final int PAGE = WriteRecord.PAGE;
    private static final int TX_RING = 0x14000;
    private static final int HEAD = 0x18000;
    private static final String HELD = "a buffer whose descriptor comes later";

    private final Random random;
    private final ByteBuffer memory;
    private final InterleavedState state;
    private final WriteRecord written;
    private boolean configured;
    private boolean enabled;
    private int base;
    private int head;
    private int posted;
    private int transmitHead;
    private long frames;
    private long received;

    ModelQueues(Random random, ByteBuffer memory, InterleavedState state, WriteRecord written) {
        this.random = random;
        this.memory = memory;
        this.state = state;
        this.written = written;
        publish();
    }

    boolean isEnabled() {
        return enabled;
    }

    void configure(int ring) {
        configured = true;
        base = ring;
        publish();
    }

    void enable(int tail) {
        enabled = true;
        head = 0;
        posted = tail;
        publish();
    }

    /** The tail is elsewhere. */
    void post(int tail) {
        posted = tail;
    }

    void disable() {
        enabled = false;
        publish();
        written.all().stream().filter(one -> one.slot >= 0).forEach(one -> {
            one.visible = false;
            one.slot = -1;
        });
    }

    void reset() {
        configured = false;
        disable();
    }

    /** Writes a buffer, but not yet its descriptor. */
    void hold() {
        if (enabled && head != posted) {
            written.add(memory.getInt(base + head * 32), HELD, head, false);
        }
    }

    /** Returns whether there was anything to be written. */
    boolean receive(int count) {
        int done = 0;
        while (enabled && done < count && head != posted) {
            writeBuffer();
            writeDescriptor();
            done++;
        }
        if (done > 0) {
            count(done);
            publish();
        }
        return done > 0;
    }

    /** Writes a buffer and the first word of its descriptor. */
    void writeBuffer() {
        int at = base + head * 32;
        int slot = head;
        written.remove(one -> one.slot == slot && one.what.equals(HELD));
        written.add((int) memory.getLong(at), "a buffer", slot, true);
        memory.putLong(at, random.nextLong());
    }

    /** Gives back the buffer that was written last. */
    void writeDescriptor() {
        int at = base + head * 32;
        memory.putLong(at + 8, 1);
        written.add(at, "a receive ring", -1, true);
        head = next(head);
    }

    /** The same, and tells the host. */
    void endBuffer() {
        writeDescriptor();
        count(1);
        publish();
    }

    /** So many buffers hold frames of one buffer, or one frame. */
    private void count(int buffers) {
        boolean one = random.nextBoolean();
        frames += one ? 1 : buffers;
        received += one ? (buffers - 1) * BUFFER + 100 : buffers * 100;
    }

    void transmit() {
        if (enabled) {
            written.add(transmitRing() + transmitHead * 16, "a transmit ring", -1, true);
            written.add(HEAD + base / 2 % PAGE, "a head", -1, true);
            transmitHead = next(transmitHead);
        }
    }

    private void publish() {
        ByteBuffer part =
                ByteBuffer.allocate(4 + 64).order(ByteOrder.LITTLE_ENDIAN).putInt(1);
        if (configured) {
            part.put(4, (byte) (enabled ? 7 : 5)).putShort(6, (short) LENGTH).putLong(12, transmitRing());
            part.putLong(20, HEAD + base / 2 % PAGE);
            part.put(36, (byte) (enabled ? 3 : 1)).put(37, (byte) 1).putShort(38, (short) LENGTH);
            part.putShort(40, (short) head).putLong(44, base).putInt(52, BUFFER);
        }
        state.with(QueuePair.PART, part.array());
        ByteBuffer statistics = ByteBuffer.allocate(96).order(ByteOrder.LITTLE_ENDIAN);
        state.with(
                ReceivedFrames.PART,
                statistics.putLong(0, received).putLong(8, frames).array());
    }

    private int transmitRing() {
        return TX_RING + base % (2 * PAGE) / PAGE * PAGE;
    }

    private static int next(int slot) {
        return (slot + 1) % LENGTH;
    }
}
