package vfio.pci.api.device;

/**
 * The Linux error numbers a failure can carry to a peer. Numbers are those of {@code <asm-generic/errno.h>}, which x86-64
 * and arm64 share.
 */
public enum Errno {
    EPERM(1),
    ENOENT(2),
    EINTR(4),
    EIO(5),
    ENXIO(6),
    EBADF(9),
    EAGAIN(11),
    ENOMEM(12),
    EACCES(13),
    EFAULT(14),
    EBUSY(16),
    EEXIST(17),
    ENODEV(19),
    ENOTDIR(20),
    EINVAL(22),
    EMFILE(24),
    ENOTTY(25),
    ENOSPC(28),
    EPIPE(32),
    ERANGE(34),
    EDEADLK(35),
    ENAMETOOLONG(36),
    ENOSYS(38),
    EPROTO(71),
    EOVERFLOW(75),
    EMSGSIZE(90),
    EOPNOTSUPP(95),
    EADDRINUSE(98),
    ECONNRESET(104),
    ENOTCONN(107),
    ETIMEDOUT(110),
    ECONNREFUSED(111),
    ECANCELED(125);

    private final int number;

    Errno(int number) {
        this.number = number;
    }

    /** The positive error number, as in {@code errno}. */
    public int number() {
        return number;
    }

    /**
     * The constant for an error number.
     *
     * @param number a positive error number
     * @return the constant, or {@link #EIO} for a number that is not listed here
     */
    public static Errno of(int number) {
        for (Errno errno : values()) {
            if (errno.number == number) {
                return errno;
            }
        }
        return EIO;
    }
}
