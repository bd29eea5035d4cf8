package vfio.user;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.NativeBuffer;
import vfio.linux.PeerCredentials;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.user.internal.Capabilities;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;
import vfio.user.internal.MessageChannel;

/**
 * One client of one device, on a thread of its own: negotiates, opens the device, serves messages in the order in which they
 * arrive, and at the end gives everything back.
 */
final class Connection {
    private static final Logger LOGGER = System.getLogger(Connection.class.getPackageName());

    private final DeviceManager manager;
    private final PciAddress address;
    private final UnixSocket socket;
    private final String client;
    private volatile boolean leaving;
    private volatile @Nullable ClientMessages memory;
    private volatile @Nullable OpenDevice device;
    private final Timeouts timeouts;

    /** Goes up when a command begins and when it ends, so it is odd while one is being executed. */
    private final AtomicLong steps = new AtomicLong();

    /** What {@link #steps} was when {@link #endIfStuck} looked last. */
    private long stepsSeen;

    /**
     * @param socket owned from now on
     */
    Connection(DeviceManager manager, PciAddress address, UnixSocket socket, PeerCredentials peer, Timeouts timeouts) {
        this.manager = manager;
        this.address = address;
        this.socket = socket;
        client = "pid " + peer.pid();
        this.timeouts = timeouts;
    }

    /** Serves the client until it leaves or {@link #end} is called. */
    void run() {
        int dataMaximum = Negotiation.OURS.maxDataXferSize() + Layout.FIXED_PART_MAXIMUM;
        try (MessageChannel channel = new MessageChannel(socket, dataMaximum, Negotiation.OURS.maxMsgFds());
                NativeBuffer reply = channel.newBuffer()) {
            negotiateAndServe(channel, reply);
        } catch (VfioException e) {
            LOGGER.log(Level.DEBUG, "{0}: connection of {1} ended: {2}", address, client, e.getMessage());
        } catch (RuntimeException | Error e) {
            LOGGER.log(Level.ERROR, address + ": connection of " + client + " failed", e);
        }
    }

    /** Ends the connection from another thread; {@link #run} returns soon. */
    void end() {
        socket.shutdown();
        ClientMessages asking = memory;
        if (asking != null) {
            asking.end();
        }
    }

    /** Whether this connection is about to end, because the client has closed its end or was refused. */
    boolean leaving() {
        return leaving || socket.hungUp();
    }

    /**
     * Whether the core has closed the device under the connection. As long as the connection's thread comes back from calls
     * it tells the client so, by ENODEV, and the connection goes on.
     */
    boolean hasLostDevice() {
        OpenDevice own = device;
        return own != null
                && manager.opened(address).filter(open -> open == own).isEmpty();
    }

    /**
     * Ends the connection if its device is lost and its thread is still where it was when this was called last: whoever is
     * inside a driver that does not return cannot tell the client. One thread calls this, every now and then.
     */
    void endIfStuck() {
        long now = steps.get();
        if ((now & 1) != 0 && now == stepsSeen && hasLostDevice() && !leaving()) {
            LOGGER.log(
                    Level.WARNING,
                    "{0}: the connection of {1} is ended: the device was closed, and a call to it does not return",
                    address,
                    client);
            end();
        }
        stepsSeen = now;
    }

    private void negotiateAndServe(MessageChannel channel, NativeBuffer reply) {
        socket.receiveTimeout(timeouts.negotiation());
        if (!channel.receive()) {
            return;
        }
        boolean answered = false;
        try {
            Negotiation.Outcome outcome = Negotiation.read(channel);
            try (ClientMessages memory = ClientMessages.open(channel, outcome, timeouts.dma());
                    OpenDevice device =
                            manager.open(address, "vfio-user " + client, memory, features(outcome.agreed()))) {
                this.memory = memory;
                this.device = device;
                Negotiation.answer(channel, reply, outcome, memory);
                answered = true;
                socket.receiveTimeout(Duration.ZERO);
                try {
                    serve(channel, reply, new Session(channel, device, outcome.agreed(), reply.bytes()), memory);
                } finally {
                    // A device may be sending to a client that does not read.
                    end();
                    this.device = null;
                }
            }
        } catch (VfioException e) {
            if (answered) {
                throw e;
            }
            LOGGER.log(Level.WARNING, "{0}: client {1} was refused: {2}", address, client, e.getMessage());
            refuse(channel, reply, e.errno());
        } catch (RuntimeException e) {
            if (answered) {
                throw e;
            }
            LOGGER.log(Level.ERROR, address + ": client " + client + " was refused with EIO", e);
            refuse(channel, reply, Errno.EIO);
        }
    }

    private static Set<ClientFeature> features(Capabilities agreed) {
        return agreed.dynamicTrap() ? Set.of(ClientFeature.DYNAMIC_TRAP) : Set.of();
    }

    /** The client may come again as soon as it has the answer, so it is told last. */
    private void refuse(MessageChannel channel, NativeBuffer reply, Errno errno) {
        leaving = true;
        sendError(channel, reply, errno);
    }

    private void serve(MessageChannel channel, NativeBuffer reply, Session session, ClientMessages memory) {
        while (channel.receive()) {
            int flags = channel.received().getInt(Header.FLAGS);
            switch (flags & Header.FLAGS_TYPE_MASK) {
                case Header.FLAGS_TYPE_COMMAND -> execute(channel, reply, session, flags);
                case Header.FLAGS_TYPE_REPLY -> memory.accept(channel);
                default -> sendError(channel, reply, Errno.EINVAL);
            }
        }
    }

    private void execute(MessageChannel channel, NativeBuffer reply, Session session, int flags) {
        ByteBuffer header = channel.received();
        int messageId = header.getShort(Header.MESSAGE_ID);
        int command = header.getShort(Header.COMMAND) & 0xffff;
        boolean wantsReply = (flags & Header.FLAGS_NO_REPLY) == 0;
        try {
            int size = dispatch(session, command);
            List<Descriptor> attached = session.takeAttached();
            if (wantsReply) {
                channel.send(reply, messageId, command, Header.FLAGS_TYPE_REPLY, 0, size, attached);
            }
        } catch (VfioException e) {
            session.takeAttached();
            LOGGER.log(Level.DEBUG, "{0}: command {1} of {2} failed: {3}", address, command, client, e);
            if (wantsReply) {
                sendError(channel, reply, e.errno());
            }
        } catch (RuntimeException e) {
            session.takeAttached();
            LOGGER.log(Level.ERROR, address + ": command " + command + " failed; the client gets EIO", e);
            if (wantsReply) {
                sendError(channel, reply, Errno.EIO);
            }
        }
    }

    private int dispatch(Session session, int command) {
        steps.getAndIncrement();
        try {
            return Dispatcher.dispatch(session, command);
        } finally {
            steps.getAndIncrement();
        }
    }

    /** The one place where a failure becomes a reply: a header and nothing else. */
    private static void sendError(MessageChannel channel, NativeBuffer reply, Errno errno) {
        ByteBuffer request = channel.received();
        channel.send(
                reply,
                request.getShort(Header.MESSAGE_ID),
                request.getShort(Header.COMMAND),
                Header.FLAGS_TYPE_REPLY | Header.FLAGS_ERROR,
                errno.number(),
                0,
                List.of());
    }
}
