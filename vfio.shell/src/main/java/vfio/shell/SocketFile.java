package vfio.shell;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A listening UNIX socket with its place in the file system. Owns both; close removes the file, unless another has taken
 * its place.
 *
 * <p>The socket is bound in a fresh folder that is closed to others, restricted to its owner, and then moved to its place:
 * at no moment can it be reached with wider permissions.
 */
final class SocketFile implements AutoCloseable {
    private static final int BACKLOG = 64;
    private static final int ATTEMPTS = 100;

    private final ServerSocketChannel channel;
    private final Path path;
    private final Object identity;
    private final UserPrincipal owner;

    private SocketFile(ServerSocketChannel channel, Path path) throws IOException {
        this.channel = channel;
        this.path = path;
        this.identity = identity(path);
        this.owner = Files.getOwner(path, LinkOption.NOFOLLOW_LINKS);
    }

    /**
     * Listens in a folder, which is made with mode 0700 if it is missing. A socket that nobody listens on is replaced.
     *
     * @throws IOException with a sentence, if somebody listens there or the socket cannot be made
     */
    static SocketFile bind(Path directory, String name) throws IOException {
        Path path = directory.toAbsolutePath().resolve(name);
        createPrivate(directory);
        refuseTaken(path);
        Path nursery = nursery(directory.toAbsolutePath());
        // Its own name is short, so that a path that is not too long stays so here.
        Path fresh = nursery.resolve("s");
        ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.bind(UnixDomainSocketAddress.of(fresh), BACKLOG);
            Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-------"));
            Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
            return new SocketFile(channel, path);
        } catch (IOException e) {
            channel.close();
            throw new IOException(path + " cannot be made: " + e.getMessage(), e);
        } finally {
            Files.deleteIfExists(fresh);
            Files.deleteIfExists(nursery);
        }
    }

    ServerSocketChannel channel() {
        return channel;
    }

    Path path() {
        return path;
    }

    /** The user this process runs as. */
    UserPrincipal owner() {
        return owner;
    }

    @Override
    public void close() throws IOException {
        channel.close();
        try {
            if (identity(path).equals(identity)) {
                Files.deleteIfExists(path);
            }
        } catch (NoSuchFileException alreadyRemoved) {
            // Then there is nothing to remove.
        }
    }

    private static void createPrivate(Path directory) throws IOException {
        try {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new IOException("the folder " + directory + " cannot be made: " + e, e);
        }
    }

    private static void refuseTaken(Path path) throws IOException {
        BasicFileAttributes present;
        try {
            present = Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        } catch (NoSuchFileException e) {
            return;
        }
        if (!present.isOther()) {
            throw new IOException(path + " is in the way and is no socket: remove it");
        }
        try (SocketChannel probe = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            throw new IOException(path + " is served already: stop the runtime there or use another folder");
        } catch (ConnectException stale) {
            // Nobody listens: a runtime that died left it behind.
        }
    }

    private static Path nursery(Path directory) throws IOException {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            Path candidate = directory.resolve(
                    String.format(".a%05x", ThreadLocalRandom.current().nextInt(1 << 20)));
            try {
                return Files.createDirectory(
                        candidate, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            } catch (FileAlreadyExistsException taken) {
                // The next name will do.
            } catch (IOException e) {
                throw new IOException("the folder " + directory + " is not writable: " + e, e);
            }
        }
        throw new IOException("the folder " + directory + " is full of left-over folders named .a*: remove them");
    }

    private static Object identity(Path path) throws IOException {
        return Objects.requireNonNull(
                Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                        .fileKey(),
                "files have keys on Linux");
    }
}
