package vfio.migration;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import vfio.linux.PeerCredentials;
import vfio.linux.UnixListener;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** The socket to which other runtimes of the same user, or of root, move devices. Each connection has a thread. */
final class MigrationServer implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(MigrationServer.class.getPackageName());
    private static final String NAME = "migration.sock";
    private static final String DIRECTORY_PROPERTY = "vfio.socket.dir";
    private static final Duration GOODBYE = Duration.ofSeconds(2);
    /** Out of descriptors, the kernel would have it tried again at once, for ever. */
    private static final Duration AFTER_FAILURE = Duration.ofMillis(100);

    private static final int CONNECTIONS = 64;
    private static final int OWNER_ONLY = 0600;

    private final UnixListener listener;
    private final BiConsumer<Link, String> handler;
    private final Set<Link> links = ConcurrentHashMap.newKeySet();
    private final Thread acceptor = new Thread(this::accept, "migration acceptor");
    private final int ownUid;
    private volatile boolean closed;

    /** @param handler serves a connection of a peer, which is named for people, until its end; it does not own it */
    MigrationServer(Path path, BiConsumer<Link, String> handler) throws IOException {
        this.handler = handler;
        ownUid = (Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        listener = UnixListener.bind(path, OWNER_ONLY);
    }

    /** Opens it in a folder; null, with a line in the log, if there is none or it cannot be opened. */
    static @Nullable MigrationServer open(String configured, BundleContext context, BiConsumer<Link, String> handler) {
        String directory = configured.isBlank() ? context.getProperty(DIRECTORY_PROPERTY) : configured;
        if (directory == null || directory.isBlank()) {
            LOGGER.log(
                    Level.INFO,
                    "no migration socket: neither socket.directory of vfio.migration nor {0} names a folder",
                    DIRECTORY_PROPERTY);
            return null;
        }
        try {
            Files.createDirectories(Path.of(directory));
            MigrationServer server =
                    new MigrationServer(Path.of(directory).toAbsolutePath().resolve(NAME), handler);
            server.start();
            return server;
        } catch (VfioException | IOException e) {
            LOGGER.log(Level.ERROR, "no migration socket: {0}", e.getMessage());
            return null;
        }
    }

    void start() {
        acceptor.setDaemon(true);
        acceptor.start();
    }

    Path path() {
        return listener.path();
    }

    /** Ends all connections, which undoes what has not been committed, and removes the socket. */
    @Override
    public void close() {
        closed = true;
        listener.close();
        links.forEach(Link::cut);
        try {
            acceptor.join(GOODBYE.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void accept() {
        while (!closed) {
            try {
                admit(listener.accept());
            } catch (VfioException e) {
                if (!closed) {
                    LOGGER.log(Level.WARNING, "a connection to {0} failed: {1}", path(), e.getMessage());
                    LockSupport.parkNanos(AFTER_FAILURE.toNanos());
                }
            }
        }
    }

    private void admit(UnixSocket socket) {
        PeerCredentials peer = socket.peerCredentials();
        Link link = new Link(socket);
        links.add(link);
        if (peer.uid() != 0 && peer.uid() != ownUid) {
            end(link, new VfioException(Errno.EPERM, "user " + peer.uid() + " may not move devices to here"));
        } else if (closed || links.size() > CONNECTIONS) {
            end(link, new VfioException(Errno.EBUSY, "too many devices are coming already; try again later"));
        } else {
            Thread thread = new Thread(() -> serve(link, "process " + peer.pid()), "migration from " + peer.pid());
            thread.setDaemon(true);
            thread.start();
        }
    }

    private void serve(Link link, String peer) {
        try (link) {
            handler.accept(link, peer);
        } catch (RuntimeException | Error e) {
            LOGGER.log(Level.ERROR, "moving a device from " + peer + " failed", e);
        } finally {
            links.remove(link);
        }
    }

    private void end(Link link, VfioException why) {
        try (link) {
            link.refuse(why);
        } catch (VfioException e) {
            LOGGER.log(Level.DEBUG, "a peer has gone: {0}", e.getMessage());
        } finally {
            links.remove(link);
        }
    }
}
