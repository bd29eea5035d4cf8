package vfio.linux;

import java.util.Map;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Turns error numbers into exceptions that an operator can act upon. */
final class Failures {
    /** Numbers that {@link Errno} does not list, and what comes closest to them. */
    private static final Map<Integer, Errno> RELATED = Map.of(
            Linux.ENFILE, Errno.EMFILE,
            Linux.EFBIG, Errno.EINVAL,
            Linux.EROFS, Errno.EACCES,
            Linux.ENOBUFS, Errno.ENOMEM);

    private static final Map<Errno, String> ADVICE = Map.of(
            Errno.EPERM, "run as a user who may do this",
            Errno.EACCES, "check owner and permissions of the file and its folder",
            Errno.ENOENT, "check the path",
            Errno.EMFILE, "raise the limit of open files (ulimit -n, LimitNOFILE=)",
            Errno.ENOMEM, "free memory or raise vm.max_map_count",
            Errno.ECONNREFUSED, "nobody listens there; start the server first",
            Errno.ECONNRESET, "the peer has gone; connect again",
            Errno.EPIPE, "the peer has gone; connect again");

    private Failures() {}

    /** The failure of the call that this thread just made; {@code what} says which, and on what. */
    static VfioException last(String what) {
        return of(Libc.errno(), what);
    }

    static VfioException of(int number, String what) {
        return new VfioException(errno(number), sentence(number, what));
    }

    /** What to tell the operator about a failure. */
    static String sentence(int number, String what) {
        Errno errno = errno(number);
        String name = errno.number() == number ? errno.name() : "error " + number;
        String advice = ADVICE.get(errno);
        return what + " failed with " + name + (advice == null ? "" : "; " + advice);
    }

    private static Errno errno(int number) {
        return RELATED.getOrDefault(number, Errno.of(number));
    }
}
