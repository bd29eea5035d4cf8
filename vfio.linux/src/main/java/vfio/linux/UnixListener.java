package vfio.linux;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * A UNIX socket bound to a path and listening.
 *
 * <p>A socket file that nobody listens on any more is replaced; one that somebody listens on, and a file of any other kind,
 * is left alone. Two processes that replace the same stale file at the same moment are not arbitrated: who starts processes
 * on one folder does that. Safe for use by several threads; close wakes those that block in {@link #accept()}.
 */
public final class UnixListener implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(UnixListener.class.getName());
    private static final int BACKLOG = 64;
    private static final int PERMISSIONS = 0777;

    private final Descriptor descriptor;
    private final Path path;
    private final FileStatus bound;

    private UnixListener(Descriptor descriptor, Path path, FileStatus bound) {
        this.descriptor = descriptor;
        this.path = path;
        this.bound = bound;
    }

    /**
     * Binds and listens; the file belongs to the user of this process.
     *
     * @see #bind(Path, int, int, int)
     */
    public static UnixListener bind(Path path, int mode) {
        return bind(path, mode, -1, -1);
    }

    /**
     * Binds and listens. At no time does the file exist with more permissions than {@code mode} grants.
     *
     * @param path of the socket, at most 107 bytes
     * @param mode permission bits of the file, for example {@code 0600}; to connect needs the write permission
     * @param uid owner of the file, or -1 to leave it
     * @param gid group of the file, or -1 to leave it
     * @return the listening socket, owned by the caller
     * @throws VfioException EADDRINUSE if somebody listens there; EEXIST if there is a file that is not a socket; ENAMETOOLONG;
     *     ENOENT, EACCES, EPERM, EMFILE from the kernel
     */
    public static UnixListener bind(Path path, int mode, int uid, int gid) {
        if ((mode & ~PERMISSIONS) != 0) {
            throw new IllegalArgumentException("permissions 0" + Integer.toOctalString(mode));
        }
        Descriptor descriptor = new Descriptor(UnixSocket.create(Linux.SOCK_NONBLOCK));
        int fd = descriptor.acquire();
        try {
            claim(fd, path, mode);
            return new UnixListener(descriptor, path, open(fd, path, mode, uid, gid));
        } catch (VfioException failure) {
            descriptor.close();
            throw failure;
        } finally {
            descriptor.release();
        }
    }

    /** Where it listens. */
    public Path path() {
        return path;
    }

    /**
     * Waits for a connection.
     *
     * @return the connection, owned by the caller
     * @throws VfioException EBADF if the listener is closed, also while this waits; EMFILE, and then the connection is still
     *     pending
     */
    public UnixSocket accept() {
        int fd = descriptor.acquire();
        try {
            while (true) {
                PollSet.await(new long[] {PollSet.entry(fd)}, null);
                UnixSocket socket = accept(fd);
                if (socket != null) {
                    return socket;
                }
            }
        } finally {
            descriptor.release();
        }
    }

    /**
     * A connection that waits already, if there is one.
     *
     * @throws VfioException as {@link #accept()}
     */
    public Optional<UnixSocket> acceptIfPending() {
        int fd = descriptor.acquire();
        try {
            return Optional.ofNullable(accept(fd));
        } finally {
            descriptor.release();
        }
    }

    /** Stops listening and removes the file, unless another one has taken its place. Idempotent. */
    @Override
    public void close() {
        if (!descriptor.tryAcquire()) {
            return;
        }
        FileStatus present = FileStatus.of(path);
        if (present != null && present.isSameFile(bound)) {
            Libc.unlink(UnixAddress.string(path));
        }
        // Closed before it wakes others, so that they find it closed.
        descriptor.close();
        Libc.shutdown(descriptor.number(), Linux.SHUT_RDWR);
        descriptor.release();
    }

    @Override
    public String toString() {
        return "listener on " + path;
    }

    Descriptor descriptor() {
        return descriptor;
    }

    private @Nullable UnixSocket accept(int fd) {
        while (true) {
            int number = Libc.accept4(fd, 0, 0, Linux.SOCK_CLOEXEC);
            if (number >= 0) {
                return UnixSocket.owning(number);
            }
            int errno = Libc.errno();
            if (descriptor.isClosed()) {
                throw new VfioException(Errno.EBADF, "the listener on " + path + " was closed");
            }
            if (errno == Linux.EAGAIN) {
                return null;
            }
            if (errno != Linux.EINTR && errno != Linux.ECONNABORTED) {
                throw Failures.of(errno, "accepting a connection on " + path);
            }
        }
    }

    /**
     * Creates the file. It gets the permissions of the socket less the umask: never more than asked for, and until {@link
     * #open} possibly fewer.
     */
    static void claim(int fd, Path path, int mode) {
        byte[] address = UnixAddress.of(path);
        check(Libc.fchmod(fd, mode), "setting the permissions of a new socket");
        if (!tryBind(fd, address, path)) {
            removeStale(path, address);
            if (!tryBind(fd, address, path)) {
                throw inUse(path);
            }
        }
    }

    private static boolean tryBind(int fd, byte[] address, Path path) {
        if (Libc.bind(fd, address, address.length) == 0) {
            return true;
        }
        int errno = Libc.errno();
        if (errno != Linux.EADDRINUSE) {
            throw Failures.of(errno, "binding a socket to " + path);
        }
        return false;
    }

    /** Makes the bound socket what was asked for, and only then reachable. */
    private static FileStatus open(int fd, Path path, int mode, int uid, int gid) {
        byte[] name = UnixAddress.string(path);
        try {
            FileStatus status = FileStatus.of(path);
            if (status == null) {
                throw new VfioException(
                        Errno.ENOENT, "the socket " + path + " was removed while it was made; do not share its folder");
            }
            if (uid != -1 || gid != -1) {
                check(Libc.lchown(name, uid, gid), "changing the owner of " + path + " to " + uid + ":" + gid);
            }
            check(Libc.chmod(name, mode), "setting the permissions of " + path);
            check(Libc.listen(fd, BACKLOG), "listening on " + path);
            return status;
        } catch (VfioException failure) {
            Libc.unlink(name);
            throw failure;
        }
    }

    private static void removeStale(Path path, byte[] address) {
        FileStatus status = FileStatus.of(path);
        if (status == null) {
            return;
        }
        if (!status.isSocket()) {
            throw new VfioException(
                    Errno.EEXIST, path + " exists and is not a socket; move it away or choose another path");
        }
        Descriptor probe = new Descriptor(UnixSocket.create(Linux.SOCK_NONBLOCK));
        int fd = probe.acquire();
        try {
            if (Libc.connect(fd, address, address.length) == 0) {
                throw inUse(path);
            }
            int errno = Libc.errno();
            if (errno == Linux.EAGAIN || errno == Linux.EINPROGRESS) {
                throw inUse(path);
            }
            if (errno != Linux.ECONNREFUSED && errno != Linux.ENOENT) {
                throw Failures.of(errno, "finding out whether somebody listens on " + path);
            }
        } finally {
            probe.release();
            probe.close();
        }
        LOGGER.log(Level.INFO, "replacing the socket {0}, on which nobody listens any more", path);
        Libc.unlink(UnixAddress.string(path));
    }

    private static VfioException inUse(Path path) {
        return new VfioException(
                Errno.EADDRINUSE, "somebody listens on " + path + " already; stop that process or choose another path");
    }

    private static void check(int result, String what) {
        if (result < 0) {
            throw Failures.last(what);
        }
    }
}
