package vfio.iavf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * The conversation with the PF: one request at a time, exactly one reply to each, and events whenever it likes.
 *
 * <p>While the driver uses interrupts, a message is looked for only when vector 0 was raised, and missing interrupts are
 * noticed.
 */
final class Mailbox {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    /** How long an interrupt is waited for before the driver looks whether it was reset, which raises none. */
    private static final Duration LOOK = Duration.ofMillis(50);

    private static final Duration INTERRUPT_AFTER_MESSAGE = Duration.ofSeconds(2);

    private final RegisterSpace registers;
    private final AdminSendQueue sendQueue;
    private final AdminReceiveQueue receiveQueue;
    private final Duration patience;
    /** What an interrupt brought and nobody has taken yet. */
    private final Deque<Message> received = new ArrayDeque<>();

    private final Deque<Message> events = new ArrayDeque<>();
    private @Nullable InterruptVector vector;

    Mailbox(RegisterSpace registers, GuestMemory memory, Duration patience) {
        this.registers = registers;
        this.patience = patience;
        sendQueue = new AdminSendQueue(registers, memory);
        receiveQueue = new AdminReceiveQueue(registers, memory);
    }

    /** Sets the queues up; messages are polled for until {@link #interruptWith}. */
    void start() {
        vector = null;
        received.clear();
        events.clear();
        sendQueue.start();
        receiveQueue.start();
    }

    /** Waits for a vector from now on. */
    void interruptWith(InterruptVector misc) {
        vector = misc;
        enableInterrupt(misc);
    }

    /** Whether the queues are set up, as the device sees it; they are not after a reset. */
    boolean alive() {
        return receiveQueue.enabled();
    }

    /** Errors that the device reports in its registers, which this clears. */
    int takeErrors() {
        return receiveQueue.takeErrors();
    }

    /** Sends a request and waits for its reply, whatever its status. */
    Message request(int opcode, ByteBuffer payload) {
        service();
        Deadline deadline = Deadline.in(patience);
        sendQueue.send(opcode, payload);
        Message reply = next(deadline);
        while (reply != null && reply.opcode() == Virtchnl.EVENT) {
            events.add(reply);
            reply = next(deadline);
        }
        if (reply == null) {
            throw new DeviceViolation("there is no reply to virtchnl request " + opcode + " within " + deadline);
        }
        if (reply.opcode() != opcode) {
            throw new DeviceViolation("the reply to virtchnl request " + opcode + " has opcode " + reply.opcode());
        }
        sendQueue.awaitTaken(deadline);
        return reply;
    }

    /** Sends a request that must succeed, with a reply of a known size. */
    ByteBuffer demand(int opcode, ByteBuffer payload, int replySize) {
        Message reply = request(opcode, payload);
        if (reply.status() != Virtchnl.STATUS_SUCCESS) {
            throw new DeviceViolation("virtchnl request " + opcode + " failed with status " + reply.status());
        }
        if (reply.payload().remaining() != replySize) {
            throw new DeviceViolation("the reply to virtchnl request " + opcode + " has "
                    + reply.payload().remaining() + " bytes instead of " + replySize);
        }
        return reply.payload();
    }

    void demand(int opcode, ByteBuffer payload) {
        demand(opcode, payload, 0);
    }

    /** Sends a request that has no reply, and does not wait for anything. */
    void post(int opcode) {
        service();
        sendQueue.send(opcode, NOTHING);
    }

    /** Takes the messages that are there; without a request outstanding they can only be events. */
    void service() {
        for (Message message = poll(); message != null; message = poll()) {
            if (message.opcode() != Virtchnl.EVENT) {
                throw new DeviceViolation(
                        "the PF sent opcode " + message.opcode() + " though no request was outstanding");
            }
            events.add(message);
        }
    }

    /** Waits for an event; null after the timeout. */
    @Nullable
    Message awaitEvent(Duration timeout) {
        Deadline deadline = Deadline.in(timeout);
        service();
        if (events.isEmpty()) {
            Message message = next(deadline);
            if (message != null && message.opcode() != Virtchnl.EVENT) {
                throw new DeviceViolation(
                        "the PF sent opcode " + message.opcode() + " though no request was outstanding");
            }
            return message;
        }
        return events.poll();
    }

    /** An event that has come, null if there is none. */
    @Nullable
    Message pollEvent() {
        service();
        return events.poll();
    }

    void shutdown() {
        InterruptVector misc = vector;
        vector = null;
        if (misc != null) {
            misc.disable();
        }
        sendQueue.shutdown(Deadline.in(patience));
        receiveQueue.shutdown();
        received.clear();
        events.clear();
    }

    static ByteBuffer payload(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private @Nullable Message poll() {
        if (!alive()) {
            return null;
        }
        InterruptVector misc = vector;
        if (misc == null) {
            return receiveQueue.poll();
        }
        if (received.isEmpty() && misc.take() > 0) {
            serveInterrupt(misc);
        }
        return received.poll();
    }

    private @Nullable Message next(Deadline deadline) {
        while (true) {
            InterruptVector misc = vector;
            Message message = misc == null ? receiveQueue.poll() : received.poll();
            if (message != null) {
                return message;
            }
            if (!alive()) {
                throw new ResetException("the function was reset while a message of the PF was awaited");
            }
            if (deadline.expired()) {
                return null;
            }
            if (misc == null) {
                deadline.pause();
            } else {
                awaitInterrupt(misc, deadline);
            }
        }
    }

    private void awaitInterrupt(InterruptVector misc, Deadline deadline) {
        Duration remaining = deadline.remaining();
        if (misc.await(remaining.compareTo(LOOK) < 0 ? remaining : LOOK) > 0) {
            serveInterrupt(misc);
            return;
        }
        Message silent = receiveQueue.poll();
        if (silent != null) {
            // It may have come just now, and then the interrupt follows it.
            if (misc.await(INTERRUPT_AFTER_MESSAGE) == 0) {
                throw new DeviceViolation("vector 0 was not raised for a message with opcode " + silent.opcode());
            }
            received.add(silent);
            serveInterrupt(misc);
        }
    }

    private void serveInterrupt(InterruptVector misc) {
        int causes = registers.read(VfRegister.VFINT_ICR01);
        if ((causes & VfRegister.ICR0_INTEVENT) == 0 && causes != 0) {
            throw new DeviceViolation("VFINT_ICR01 is 0x" + Integer.toHexString(causes) + ", a cause without INTEVENT");
        }
        for (Message message = receiveQueue.poll(); message != null; message = receiveQueue.poll()) {
            received.add(message);
        }
        enableInterrupt(misc);
    }

    private void enableInterrupt(InterruptVector misc) {
        misc.enable();
        registers.write(VfRegister.VFINT_ICR0_ENA1, VfRegister.ICR0_ADMINQ);
        registers.read(VfRegister.VFGEN_RSTAT);
    }
}
