package vfio.linux;

import java.nio.charset.Charset;
import java.nio.file.Path;
import java.util.Arrays;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Paths in the form the kernel wants them. */
final class UnixAddress {
    /** {@code sun_path} has 108 bytes; the last one is the terminating zero. */
    static final int PATH_MAX = 107;

    /** How the JDK itself encodes paths. */
    private static final Charset ENCODING = Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));

    private static final int SUN_PATH = 2;

    private UnixAddress() {}

    /** The {@code struct sockaddr_un} of a path, with the terminating zero. */
    static byte[] of(Path path) {
        byte[] name = path.toString().getBytes(ENCODING);
        if (name.length == 0) {
            throw new VfioException(Errno.EINVAL, "the path of a socket is empty; name a file");
        }
        if (name.length > PATH_MAX) {
            throw new VfioException(
                    Errno.ENAMETOOLONG,
                    "the path of a socket has " + name.length + " bytes, the kernel allows " + PATH_MAX
                            + "; use a shorter folder than that of " + path);
        }
        byte[] address = new byte[SUN_PATH + name.length + 1];
        address[0] = Linux.AF_UNIX;
        System.arraycopy(name, 0, address, SUN_PATH, name.length);
        return address;
    }

    /** A path as a C string. */
    static byte[] string(Path path) {
        byte[] name = path.toString().getBytes(ENCODING);
        return Arrays.copyOf(name, name.length + 1);
    }
}
