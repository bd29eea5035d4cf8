package vfio.sim.xl710;

import static vfio.sim.xl710.VfRegister.VF_ARQBAH1;
import static vfio.sim.xl710.VfRegister.VF_ARQBAL1;
import static vfio.sim.xl710.VfRegister.VF_ARQH1;
import static vfio.sim.xl710.VfRegister.VF_ARQLEN1;
import static vfio.sim.xl710.VfRegister.VF_ARQT1;
import static vfio.sim.xl710.VfRegister.VF_ATQBAH1;
import static vfio.sim.xl710.VfRegister.VF_ATQBAL1;
import static vfio.sim.xl710.VfRegister.VF_ATQH1;
import static vfio.sim.xl710.VfRegister.VF_ATQLEN1;
import static vfio.sim.xl710.VfRegister.VF_ATQT1;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import vfio.pci.api.device.Memory;
import vfio.pci.api.device.VfioException;

/**
 * The mailbox between a virtual function's driver and the physical function: the admin transmit queue (ATQ), which carries
 * messages to us, and the admin receive queue (ARQ), which carries ours. The rings' addresses, lengths, heads and tails are
 * registers, read whenever the queue is used, since drivers enable a queue before they say where it is. A driver that ends a queue
 * clears its length first, in memory that it may have mapped; so what was read counts only if the length is still the same then.
 *
 * <p>A message for which the ARQ has no room waits. While too many wait, none is taken from the ATQ. For the engine's thread.
 */
final class AdminQueue {
    static final int LENGTH_MASK = 0x3ff;
    static final int VF_ERROR = 1 << 28;
    static final int ENABLE = 1 << 31;

    /** The longest message. */
    static final int MESSAGE_MAXIMUM = 4096;

    private static final int WAITING_MAXIMUM = 64;
    private static final int HEADER = 12;
    private static final VfRegister[] REGISTERS = {
        VF_ATQBAL1, VF_ATQBAH1, VF_ATQLEN1, VF_ATQH1, VF_ATQT1, VF_ARQBAL1, VF_ARQBAH1, VF_ARQLEN1, VF_ARQH1, VF_ARQT1
    };

    private final Memory registers;
    private final GuestAccess guest;
    private final Runnable posted;
    private final AdminDescriptor descriptor = new AdminDescriptor();
    private final ByteBuffer message =
            ByteBuffer.allocateDirect(MESSAGE_MAXIMUM).order(ByteOrder.LITTLE_ENDIAN);
    private final Deque<Message> waiting = new ArrayDeque<>();

    /** A message to the virtual function. */
    private record Message(int opcode, int status, ByteBuffer payload) {}

    /** Understands messages of the driver. */
    interface Receiver {
        /**
         * A message has come.
         *
         * @param payload little-endian, from position to limit; only until this returns
         */
        void receive(int opcode, ByteBuffer payload);
    }

    /** @param posted is called after a message has been posted */
    AdminQueue(Memory registers, GuestAccess guest, Runnable posted) {
        this.registers = registers;
        this.guest = guest;
        this.posted = posted;
    }

    /** Sends a message, now or when there is room for it. */
    void send(int opcode, int status, byte[] payload) {
        waiting.add(new Message(opcode, status, ByteBuffer.wrap(payload)));
    }

    /** How many messages wait for room. */
    int waiting() {
        return waiting.size();
    }

    /**
     * Takes messages and posts ours, as far as possible.
     *
     * @return whether anything was done
     * @throws MaliciousDriverException if a ring cannot be used
     */
    boolean poll(Receiver receiver) throws MaliciousDriverException {
        try {
            boolean worked = post();
            while (waiting.size() < WAITING_MAXIMUM && take(receiver)) {
                worked = true;
                post();
            }
            return worked;
        } catch (VfioException e) {
            throw new MaliciousDriverException(e);
        }
    }

    /** The driver is told that the function did something wrong. */
    void reportError() {
        int length = registers.getInt(VF_ARQLEN1.offset());
        if ((length & ENABLE) != 0) {
            registers.putInt(VF_ARQLEN1.offset(), length | VF_ERROR);
            posted.run();
        }
    }

    /** Forgets what waits and clears the registers. */
    void reset() {
        waiting.clear();
        for (VfRegister register : REGISTERS) {
            registers.putInt(register.offset(), 0);
        }
    }

    /** The messages that wait, in order. Bytes of each: 4 opcode, 4 status, 4 length, then the payload. */
    byte[] encode() {
        int size =
                waiting.stream().mapToInt(next -> HEADER + next.payload.limit()).sum();
        ByteBuffer out = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        for (Message next : waiting) {
            out.putInt(next.opcode)
                    .putInt(next.status)
                    .putInt(next.payload.limit())
                    .put(next.payload.duplicate());
        }
        return out.array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in) {
        List<Message> messages = new ArrayList<>();
        while (in.hasMore()) {
            int opcode = in.readInt();
            int status = in.readInt();
            int length = in.readInt();
            in.require(length >= 0 && length <= MESSAGE_MAXIMUM, "there is a message of " + length + " bytes");
            messages.add(new Message(opcode, status, ByteBuffer.wrap(in.readBytes(length))));
        }
        return () -> {
            waiting.clear();
            waiting.addAll(messages);
        };
    }

    private boolean take(Receiver receiver) throws MaliciousDriverException {
        int length = length(VF_ATQLEN1);
        int head = index(VF_ATQH1);
        int tail = index(VF_ATQT1);
        if (length < 0 || head == tail) {
            return false;
        }
        long at = address(VF_ATQBAH1, VF_ATQBAL1, head);
        if (length(VF_ATQLEN1) != length) {
            return false;
        }
        check(length, head, tail, "transmit");
        descriptor.read(guest, at);
        int result = 0;
        message.clear().limit(0);
        boolean isMessage = descriptor.opcode() == AdminQueueCommand.SEND_MSG_TO_PF;
        if (isMessage && (descriptor.flags() & AdminDescriptor.FLAG_RD) != 0) {
            message.limit(Math.min(descriptor.dataLength(), MESSAGE_MAXIMUM));
            if (message.hasRemaining()) {
                guest.read(descriptor.bufferAddress(), message);
                message.flip();
            }
        } else if (!isMessage && descriptor.opcode() != AdminQueueCommand.QUEUE_SHUTDOWN) {
            result = AdminQueueCommand.RC_ENOSYS;
        }
        int opcode = descriptor.messageOpcode();
        descriptor.complete(result);
        descriptor.writeBack(guest, at);
        registers.putInt(VF_ATQH1.offset(), head + 1 == length ? 0 : head + 1);
        if (isMessage) {
            receiver.receive(opcode, message);
        }
        return true;
    }

    private boolean post() throws MaliciousDriverException {
        boolean worked = false;
        while (!waiting.isEmpty()) {
            int length = length(VF_ARQLEN1);
            int head = index(VF_ARQH1);
            int tail = index(VF_ARQT1);
            if (length < 0 || head == tail) {
                break;
            }
            long at = address(VF_ARQBAH1, VF_ARQBAL1, head);
            if (length(VF_ARQLEN1) != length) {
                break;
            }
            check(length, head, tail, "receive");
            descriptor.read(guest, at);
            Message next = waiting.remove();
            int size = Math.min(next.payload.limit(), descriptor.dataLength());
            if (size > 0) {
                guest.write(descriptor.bufferAddress(), next.payload.limit(size));
            }
            descriptor.message(next.opcode, next.status, size);
            descriptor.writeBack(guest, at);
            registers.putInt(VF_ARQH1.offset(), head + 1 == length ? 0 : head + 1);
            posted.run();
            worked = true;
        }
        return worked;
    }

    /** Entries of an enabled ring; -1 if it is not enabled. */
    private int length(VfRegister register) {
        int value = registers.getInt(register.offset());
        return (value & ENABLE) == 0 ? -1 : value & LENGTH_MASK;
    }

    private int index(VfRegister register) {
        return registers.getInt(register.offset()) & LENGTH_MASK;
    }

    private long address(VfRegister high, VfRegister low, int index) {
        long base = ((long) registers.getInt(high.offset()) << 32) | (registers.getInt(low.offset()) & 0xffff_ffffL);
        return base + (long) index * AdminDescriptor.SIZE;
    }

    private static void check(int length, int head, int tail, String name) throws MaliciousDriverException {
        if (head >= length || tail >= length) {
            throw new MaliciousDriverException("head " + head + " or tail " + tail + " lies outside an admin " + name
                    + " queue of " + length + " entries");
        }
    }
}
