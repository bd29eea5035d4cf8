package vfio.user;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientMemory;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;
import vfio.user.internal.MessageChannel;

/**
 * Asks the client for memory it did not share: DMA_READ and DMA_WRITE commands in the direction of the client.
 *
 * <p>One request is under way at a time. Its reply arrives on the connection's thread, unless a twin socket was agreed; then
 * the requesting thread receives it there. The connection's thread itself may not ask on the shared socket, since it would
 * wait for what only it can receive.
 */
final class ClientMessages implements ClientMemory, AutoCloseable {
    private final MessageChannel channel;
    private final boolean twin;
    private final @Nullable UnixSocket clientEnd;
    private final int transferMaximum;
    private final Duration timeout;
    private final Thread connectionThread;
    private final NativeBuffer message;
    private final ReentrantLock turn = new ReentrantLock(true);
    private final ReentrantLock state = new ReentrantLock();
    private final Condition answered = state.newCondition();
    private int messageId;
    private @Nullable Pending pending;
    private boolean ended;

    /** A request whose reply has not come. */
    private static final class Pending {
        private final int messageId;
        private final Command command;
        private final long iova;
        private final int count;
        private final ByteBuffer data;
        private @Nullable VfioException failure;
        private boolean done;

        Pending(int messageId, Command command, long iova, int count, ByteBuffer data) {
            this.messageId = messageId;
            this.command = command;
            this.iova = iova;
            this.count = count;
            this.data = data;
        }
    }

    /**
     * @param channel where requests go: the twin socket's, owned from now on, or the connection's own
     * @param clientEnd the client's end of the twin socket, owned from now on; null if there is none
     * @param transferMaximum most bytes in one request
     * @param timeout how long the client may take to reply
     */
    private ClientMessages(
            MessageChannel channel, @Nullable UnixSocket clientEnd, int transferMaximum, Duration timeout) {
        this.channel = channel;
        this.clientEnd = clientEnd;
        this.transferMaximum = transferMaximum;
        this.timeout = timeout;
        twin = clientEnd != null;
        connectionThread = Thread.currentThread();
        message = channel.newBuffer();
    }

    /** The way to the client that was agreed; called on the connection's thread. */
    static ClientMessages open(MessageChannel connection, Negotiation.Outcome outcome, Duration timeout) {
        int transferMaximum = Math.min(outcome.clientMaxDataXferSize(), Negotiation.OURS.maxDataXferSize());
        if (!outcome.agreed().twinSocket()) {
            return new ClientMessages(connection, null, transferMaximum, timeout);
        }
        UnixSocket.Pair pair = UnixSocket.pair();
        pair.first().receiveTimeout(timeout);
        return new ClientMessages(
                new MessageChannel(pair.first(), connection.dataMaximum(), 0), pair.second(), transferMaximum, timeout);
    }

    /** Sends a message that hands the client its end of the twin socket, if there is one. */
    void withClientEnd(Consumer<List<Descriptor>> send) {
        if (clientEnd == null) {
            send.accept(List.of());
            return;
        }
        try (Descriptor descriptor = clientEnd.detach()) {
            send.accept(List.of(descriptor));
        }
    }

    @Override
    public void read(long iova, ByteBuffer destination) {
        transfer(Command.DMA_READ, iova, destination);
    }

    @Override
    public void write(long iova, ByteBuffer source) {
        transfer(Command.DMA_WRITE, iova, source);
    }

    /** Takes the reply that the given channel has received; one that nobody waits for there is dropped. */
    void accept(MessageChannel from) {
        if (from != channel) {
            return;
        }
        ByteBuffer received = from.received();
        int id = received.getShort(Header.MESSAGE_ID) & 0xffff;
        int command = received.getShort(Header.COMMAND) & 0xffff;
        state.lock();
        try {
            Pending waiting = pending;
            if (waiting != null && waiting.messageId == id && waiting.command.number() == command) {
                pending = null;
                complete(waiting, from);
                waiting.done = true;
                answered.signalAll();
            }
        } finally {
            state.unlock();
        }
    }

    /** Fails the request under way and all later ones; wakes whoever waits. */
    void end() {
        state.lock();
        try {
            ended = true;
            pending = null;
            answered.signalAll();
        } finally {
            state.unlock();
        }
        if (twin) {
            channel.socket().shutdown();
        }
    }

    /** Releases the buffer, after {@link #end} and when the last request has returned. */
    @Override
    public void close() {
        end();
        turn.lock();
        try {
            message.close();
            if (clientEnd != null) {
                clientEnd.close();
                channel.close();
            }
        } finally {
            turn.unlock();
        }
    }

    private void transfer(Command command, long iova, ByteBuffer data) {
        if (!twin && Thread.currentThread() == connectionThread) {
            throw new VfioException(
                    Errno.EDEADLK,
                    "the client waits for this access and cannot be asked for its memory meanwhile; do DMA on another thread");
        }
        turn.lock();
        try {
            long at = iova;
            while (data.hasRemaining()) {
                int count = Math.min(data.remaining(), transferMaximum);
                request(command, at, count, data);
                at += count;
            }
        } finally {
            turn.unlock();
        }
    }

    private void request(Command command, long iova, int count, ByteBuffer data) {
        messageId = messageId + 1 & 0xffff;
        Pending waiting = new Pending(messageId, command, iova, count, data);
        state.lock();
        try {
            requireRunning();
            pending = waiting;
        } finally {
            state.unlock();
        }
        ByteBuffer bytes = message.bytes();
        bytes.putLong(Header.SIZE + Layout.DmaIo.ADDRESS, iova);
        bytes.putLong(Header.SIZE + Layout.DmaIo.COUNT, count);
        int size = Layout.DmaIo.SIZE;
        if (command == Command.DMA_WRITE) {
            bytes.put(Header.SIZE + Layout.DmaIo.DATA, data, data.position(), count);
            size += count;
        }
        try {
            channel.send(message, waiting.messageId, command.number(), Header.FLAGS_TYPE_COMMAND, 0, size, List.of());
            if (twin) {
                receiveTwin(waiting);
            } else {
                await(waiting);
            }
        } finally {
            forget(waiting);
        }
        if (waiting.failure != null) {
            throw waiting.failure;
        }
        data.position(data.position() + count);
    }

    /** No reply may touch the data of a request that has returned. */
    private void forget(Pending waiting) {
        state.lock();
        try {
            if (pending == waiting) {
                pending = null;
            }
        } finally {
            state.unlock();
        }
    }

    private void receiveTwin(Pending waiting) {
        while (!waiting.done) {
            if (!channel.receive()) {
                throw new VfioException(Errno.ENOTCONN, "the client closed the twin socket");
            }
            accept(channel);
        }
    }

    private void await(Pending waiting) {
        long left = timeout.toNanos();
        state.lock();
        try {
            while (!waiting.done) {
                requireRunning();
                if (left <= 0) {
                    throw new VfioException(
                            Errno.ETIMEDOUT,
                            "the client did not answer a " + waiting.command + " within " + timeout.toMillis() + " ms");
                }
                left = answered.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VfioException(Errno.ECANCELED, "interrupted while the client was asked for memory", e);
        } finally {
            state.unlock();
        }
    }

    private void requireRunning() {
        if (ended) {
            throw new VfioException(Errno.ENOTCONN, "the client has gone, and its memory with it");
        }
    }

    private static void complete(Pending waiting, MessageChannel from) {
        ByteBuffer received = from.received();
        if ((received.getInt(Header.FLAGS) & Header.FLAGS_ERROR) != 0) {
            int errno = received.getInt(Header.ERROR);
            waiting.failure =
                    new VfioException(Errno.EFAULT, "the client refused a " + waiting.command + " with errno " + errno);
            return;
        }
        boolean read = waiting.command == Command.DMA_READ;
        int size = from.dataSize();
        boolean whole = read
                ? size == Layout.DmaIo.SIZE + waiting.count
                : size == Layout.DmaIo.SIZE || size == Layout.DmaIo.SHORT_REPLY_SIZE;
        if (from.oversized()
                || !whole
                || received.getLong(Header.SIZE + Layout.DmaIo.ADDRESS) != waiting.iova
                || received.getInt(Header.SIZE + Layout.DmaIo.COUNT) != waiting.count) {
            waiting.failure = new VfioException(
                    Errno.EFAULT,
                    "the client's reply to a " + waiting.command
                            + " does not match the request; QEMU before 11 is known"
                            + " for it: give the guest a shared memory backend (share=on)");
            return;
        }
        if (read) {
            waiting.data.put(waiting.data.position(), received, Header.SIZE + Layout.DmaIo.DATA, waiting.count);
        }
    }
}
