package vfio.shell;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import jdk.net.ExtendedSocketOptions;
import org.apache.felix.service.command.CommandProcessor;

/**
 * Accepts connections on the administration socket and gives each a thread of its own, up to a bound. Only the user of this
 * process and root are served.
 */
final class AdminServer implements AutoCloseable {
    private static final Logger LOG = System.getLogger(AdminServer.class.getName());
    private static final String NAME = "admin.sock";

    /** How long a command that runs when the server is closed may go on, so that its answer still arrives. */
    private static final Duration GRACE = Duration.ofMillis(300);

    private static final Duration JOIN = Duration.ofMillis(300);
    private static final Duration PAUSE_AFTER_FAILURE = Duration.ofMillis(100);

    /**
     * What a client may take.
     *
     * @param connections served at the same time
     * @param requestBytes of a command
     * @param requestTime until the command has arrived
     */
    record Limits(int connections, int requestBytes, Duration requestTime) {
        static final Limits DEFAULT = new Limits(8, 64 * 1024, Duration.ofSeconds(5));
    }

    private final SocketFile socket;
    private final CommandProcessor processor;
    private final Limits limits;
    private final ThreadPoolExecutor connections;
    private final Thread acceptor;
    private final CountDownLatch closing = new CountDownLatch(1);

    private AdminServer(SocketFile socket, CommandProcessor processor, Limits limits) {
        this.socket = socket;
        this.processor = processor;
        this.limits = limits;
        AtomicInteger number = new AtomicInteger();
        this.connections = new ThreadPoolExecutor(
                0,
                limits.connections(),
                0,
                TimeUnit.SECONDS,
                new SynchronousQueue<>(),
                work -> new Thread(work, "vfio-admin-" + number.incrementAndGet()));
        this.acceptor = new Thread(this::accept, "vfio-admin-accept");
    }

    /** Listens on {@code admin.sock} in a folder. */
    static AdminServer open(Path directory, CommandProcessor processor, Limits limits) throws IOException {
        AdminServer server = new AdminServer(SocketFile.bind(directory, NAME), processor, limits);
        server.acceptor.start();
        return server;
    }

    Path path() {
        return socket.path();
    }

    /** Removes the socket, lets running commands finish for a moment, then ends them. Takes less than a second. */
    @Override
    public void close() {
        closing.countDown();
        try {
            socket.close();
        } catch (IOException e) {
            LOG.log(Level.WARNING, "the administration socket " + path() + " was not removed: " + e.getMessage());
        }
        connections.shutdown();
        try {
            acceptor.join(JOIN.toMillis());
            if (!connections.awaitTermination(GRACE.toMillis(), TimeUnit.MILLISECONDS)) {
                connections.shutdownNow();
                if (!connections.awaitTermination(JOIN.toMillis(), TimeUnit.MILLISECONDS)) {
                    LOG.log(Level.WARNING, "a command of the administration socket does not end");
                }
            }
        } catch (InterruptedException e) {
            connections.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }

    private void accept() {
        boolean failing = false;
        while (closing.getCount() > 0) {
            try {
                serve(socket.channel().accept());
                failing = false;
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                LOG.log(
                        failing ? Level.DEBUG : Level.WARNING,
                        "the administration socket cannot accept a connection: " + e.getMessage());
                failing = true;
                if (pause()) {
                    return;
                }
            }
        }
    }

    private void serve(SocketChannel client) {
        try {
            UserPrincipal peer =
                    client.getOption(ExtendedSocketOptions.SO_PEERCRED).user();
            if (!isAllowed(peer, socket.owner())) {
                LOG.log(Level.DEBUG, "refused user " + peer.getName() + " on the administration socket");
                client.close();
                return;
            }
            AdminConnection connection = new AdminConnection(client, processor, limits);
            try {
                connections.execute(connection);
            } catch (RejectedExecutionException full) {
                connection.refuse("all " + limits.connections() + " administration connections are in use: try again");
            }
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "a client of the administration socket was lost", e);
            dismiss(client);
        }
    }

    private static void dismiss(SocketChannel client) {
        try {
            client.close();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "a client of the administration socket was not closed", e);
        }
    }

    /** Whether a user may administer. Root is known by its name, or by its number where names are not. */
    static boolean isAllowed(UserPrincipal peer, UserPrincipal owner) {
        return peer.equals(owner)
                || peer.getName().equals("root")
                || peer.getName().equals("0");
    }

    /** Waits a little, so that a lasting failure does not use up a processor. Returns whether the server is closing. */
    private boolean pause() {
        try {
            return closing.await(PAUSE_AFTER_FAILURE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            return true;
        }
    }
}
