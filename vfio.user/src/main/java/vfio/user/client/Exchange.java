package vfio.user.client;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.MessageChannel;

/**
 * Requests and replies on the main socket.
 *
 * <p>A thread that waits for a reply receives itself, for all who wait, and passes that task on when its own reply has come:
 * a round trip costs no change of threads. When nobody waits for a reply, {@link #serveCommands} receives, since a server
 * without a twin socket may ask at any time. That thread steps back for {@link #GRACE} after each call, so that a sequence of
 * calls finds the socket free. It also serves what the server asks: whoever receives must never block in sending, because the
 * server may be blocked in sending too.
 *
 * <p>A request without contention allocates nothing.
 */
final class Exchange implements AutoCloseable {
    /** Requests at a time; the low byte of the message id says which. */
    private static final int SLOTS = 256;

    /** Requests of the server that wait to be served; a server that sends more does not wait for replies. */
    private static final int COMMANDS = 64;

    private static final Duration GRACE = Duration.ofMillis(1);
    private static final Duration GOODBYE = Duration.ofSeconds(2);

    private final MessageChannel channel;
    private final Duration timeout;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition idle = lock.newCondition();
    private final List<Call> calls = new ArrayList<>();
    private final ArrayDeque<Call> free = new ArrayDeque<>();
    private final ArrayDeque<ByteBuffer> commands = new ArrayDeque<>();
    private boolean receiving;
    private int active;
    private int begun;
    private @Nullable VfioException failure;

    /**
     * @param channel owned from now on; its socket's receive timeout is {@code timeout}
     */
    Exchange(MessageChannel channel, Duration timeout) {
        this.channel = channel;
        this.timeout = timeout;
    }

    MessageChannel channel() {
        return channel;
    }

    /**
     * Checks the data of a request before it is put together.
     *
     * @throws VfioException EMSGSIZE if it is longer than was agreed
     */
    void requireFits(long size) {
        if (size > channel.dataMaximum()) {
            throw new VfioException(Errno.EMSGSIZE, "a message of " + size + " bytes is beyond what was agreed");
        }
    }

    /** A call for the calling thread, until {@link #end}. */
    Call begin() {
        lock.lock();
        try {
            requireRunning();
            Call call = free.poll();
            if (call == null) {
                if (calls.size() == SLOTS) {
                    throw new VfioException(Errno.EBUSY, SLOTS + " requests are under way; use fewer threads");
                }
                call = new Call(calls.size(), channel.newBuffer(), lock.newCondition());
                calls.add(call);
            }
            active++;
            begun++;
            return call;
        } finally {
            lock.unlock();
        }
    }

    void end(Call call) {
        call.closeDescriptors();
        lock.lock();
        try {
            active--;
            free.push(call);
            if (active == 0 && failure != null) {
                idle.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Sends the request and waits for its reply.
     *
     * @param size bytes of request data
     * @param minimum least bytes of reply data
     * @throws VfioException what an error reply says; EPROTO, ETIMEDOUT, ENOTCONN
     */
    void request(Call call, Command command, int size, int minimum) {
        request(call, command.number(), size, List.of());
        call.requireReply(minimum);
    }

    /** Sends the request and waits for its reply, whatever that says. */
    void request(Call call, int command, int size, List<Descriptor> attached) {
        lock.lock();
        try {
            requireRunning();
            call.start(command);
        } finally {
            lock.unlock();
        }
        try {
            send(call, command, Header.FLAGS_TYPE_COMMAND, size, attached);
        } catch (VfioException e) {
            stop(call);
            throw e;
        }
        await(call);
    }

    /** Sends a request that asks for no reply. */
    void post(Call call, int command, int size, List<Descriptor> attached) {
        send(call, command, Header.FLAGS_TYPE_COMMAND | Header.FLAGS_NO_REPLY, size, attached);
    }

    /** The many ways in which the kernel says that the server has gone are one. */
    static VfioException hungUp(VfioException e) {
        return switch (e.errno()) {
            case EPIPE, ECONNRESET -> new VfioException(Errno.ENOTCONN, "the server closed the connection", e);
            default -> e;
        };
    }

    /** Receives when nobody else does, and serves the commands of the server, until the connection ends. */
    void serveCommands(DmaServer server) {
        lock.lock();
        try {
            int seen = begun;
            while (failure == null) {
                ByteBuffer command = commands.poll();
                if (command != null) {
                    lock.unlock();
                    try {
                        server.serve(command, command.capacity() - Header.SIZE);
                    } finally {
                        lock.lock();
                    }
                } else if (receiving || begun != seen) {
                    seen = begun;
                    idle.awaitNanos(GRACE.toNanos());
                } else {
                    receive();
                    passOn();
                }
            }
        } catch (InterruptedException e) {
            fail(new VfioException(Errno.ECANCELED, "the client's thread was interrupted", e));
        } catch (VfioException e) {
            fail(e);
        } finally {
            lock.unlock();
        }
    }

    /** Ends the connection: every call fails from now on, and threads inside come out. */
    void shutdown() {
        lock.lock();
        try {
            fail(new VfioException(Errno.ENOTCONN, "the client was closed"));
        } finally {
            lock.unlock();
        }
    }

    /** Releases all memory, once the last call has come out. The thread of {@link #serveCommands} must have ended. */
    @Override
    public void close() {
        shutdown();
        long left = GOODBYE.toNanos();
        lock.lock();
        try {
            while (active > 0 && left > 0) {
                left = idle.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
        if (active > 0) {
            // Memory that a system call may still write to must stay.
            channel.socket().close();
            return;
        }
        calls.forEach(Call::close);
        channel.close();
    }

    private void send(Call call, int command, int flags, int size, List<Descriptor> attached) {
        try {
            channel.send(call.message(), call.messageId(), command, flags, 0, size, attached);
        } catch (VfioException e) {
            throw hungUp(e);
        }
    }

    private void await(Call call) {
        long deadline = System.nanoTime() + timeout.toNanos();
        lock.lock();
        try {
            while (!call.done()) {
                requireRunning();
                boolean patient = true;
                if (receiving) {
                    patient = call.changed().awaitNanos(deadline - System.nanoTime()) > 0;
                } else {
                    patient = receive() && System.nanoTime() - deadline < 0;
                }
                if (!patient && !call.done() && failure == null) {
                    throw new VfioException(
                            Errno.ETIMEDOUT,
                            "the server did not reply within " + timeout.toMillis() + " ms; is it still alive?");
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VfioException(Errno.ECANCELED, "interrupted while waiting for a reply", e);
        } finally {
            call.stop();
            passOn();
            lock.unlock();
        }
    }

    private void stop(Call call) {
        lock.lock();
        try {
            call.stop();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Receives one message and gives it to whom it is for. Called with the lock, which is released meanwhile.
     *
     * @return false if nothing came in time or the connection has failed
     */
    private boolean receive() {
        receiving = true;
        lock.unlock();
        boolean received = false;
        VfioException failed = null;
        try {
            received = channel.receive();
            if (!received) {
                failed = new VfioException(Errno.ENOTCONN, "the server closed the connection");
            }
        } catch (VfioException e) {
            failed = e.errno() == Errno.ETIMEDOUT ? null : hungUp(e);
        } finally {
            lock.lock();
            receiving = false;
        }
        if (failed != null) {
            fail(failed);
        } else if (received) {
            dispatch();
        }
        return received;
    }

    private void dispatch() {
        ByteBuffer received = channel.received();
        int id = received.getShort(Header.MESSAGE_ID) & 0xffff;
        int command = received.getShort(Header.COMMAND) & 0xffff;
        if ((received.getInt(Header.FLAGS) & Header.FLAGS_TYPE_MASK) == Header.FLAGS_TYPE_REPLY) {
            int slot = Call.slot(id);
            if (slot < calls.size() && calls.get(slot).matches(id, command)) {
                Call call = calls.get(slot);
                call.complete(channel);
                call.changed().signal();
            }
        } else if (channel.oversized() || commands.size() == COMMANDS) {
            fail(new VfioException(Errno.EPROTO, "the server sent too long a request, or too many; it is defective"));
        } else {
            int length = Header.SIZE + channel.dataSize();
            commands.add(
                    ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN).put(0, received, 0, length));
            idle.signalAll();
        }
    }

    /** Wakes one who waits for a reply, if nobody receives. */
    private void passOn() {
        if (receiving) {
            return;
        }
        for (int slot = 0; slot < calls.size(); slot++) {
            if (calls.get(slot).waiting()) {
                calls.get(slot).changed().signal();
                return;
            }
        }
    }

    private void fail(VfioException reason) {
        if (failure == null) {
            failure = reason;
            channel.socket().shutdown();
        }
        calls.forEach(call -> call.changed().signalAll());
        idle.signalAll();
    }

    private void requireRunning() {
        VfioException reason = failure;
        if (reason != null) {
            throw new VfioException(reason.errno(), "the connection has ended: " + reason.getMessage(), reason);
        }
    }
}
