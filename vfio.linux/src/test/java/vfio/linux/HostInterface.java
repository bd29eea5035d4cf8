package vfio.linux;

import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** The host's end of a TAP interface, through a packet socket. The kernel sends frames of its own, too: they are left out. */
final class HostInterface implements AutoCloseable {
    /** Local Experimental Ethertype 1 of IEEE 802. */
    static final int ETHERTYPE = 0x88b5;

    private static final int AF_PACKET = 17;
    private static final int SOCK_RAW = 3;
    private static final int SO_ERROR = 4;
    private static final int SIOCGIFFLAGS = 0x8913;
    private static final int SIOCSIFFLAGS = 0x8914;
    private static final int IFREQ_FLAGS = 16;
    private static final int IFF_UP = 1;
    private static final int SOCKADDR_LL_SIZE = 20;
    private static final Set<Errno> NOT_HERE =
            Set.of(Errno.EPERM, Errno.EACCES, Errno.ENOENT, Errno.ENODEV, Errno.ENXIO);

    private final String name;
    private final Descriptor socket;
    private final NativeBuffer buffer = NativeBuffer.allocate(65_536);

    HostInterface(String name) throws IOException {
        this.name = name;
        int type = SOCK_RAW | Linux.SOCK_CLOEXEC | Linux.SOCK_NONBLOCK;
        int fd = Libc.socket(AF_PACKET, type, Short.reverseBytes((short) ETHERTYPE) & 0xffff);
        if (fd < 0) {
            abort("no packet sockets here: " + Failures.last("opening one").getMessage());
        }
        socket = new Descriptor(fd);
        byte[] address = new byte[SOCKADDR_LL_SIZE];
        ByteBuffer.wrap(address)
                .order(ByteOrder.nativeOrder())
                .putShort(0, (short) AF_PACKET)
                .putShort(2, Short.reverseBytes((short) ETHERTYPE))
                .putInt(4, index());
        if (Libc.bind(fd, address, address.length) < 0) {
            throw Failures.last("binding a packet socket");
        }
    }

    /** Opens a port, or ends the test as not run where that is not possible. */
    static TapPort open() {
        try {
            return TapPort.open("vfiotest%d");
        } catch (VfioException failure) {
            if (NOT_HERE.contains(failure.errno())) {
                abort("no TAP interfaces here: " + failure.getMessage());
            }
            throw failure;
        }
    }

    static boolean exists(String name) {
        return Files.exists(Path.of("/sys/class/net", name));
    }

    int index() throws IOException {
        return Integer.parseInt(
                Files.readString(Path.of("/sys/class/net", name, "ifindex")).strip());
    }

    void setUp(boolean up) {
        int fd = socket.acquire();
        try {
            byte[] request = Arrays.copyOf(name.getBytes(StandardCharsets.UTF_8), Linux.IFREQ_SIZE);
            if (Libc.ioctl(fd, SIOCGIFFLAGS, request) < 0) {
                throw Failures.last("reading the flags of " + name);
            }
            request[IFREQ_FLAGS] = (byte) (up ? request[IFREQ_FLAGS] | IFF_UP : request[IFREQ_FLAGS] & ~IFF_UP);
            if (Libc.ioctl(fd, SIOCSIFFLAGS, request) < 0) {
                throw Failures.last("setting the flags of " + name);
            }
            // The socket remembers that its interface was down, and tells it once.
            Libc.getsockopt(fd, Linux.SOL_SOCKET, SO_ERROR, new int[1], new int[] {Integer.BYTES});
        } finally {
            socket.release();
        }
    }

    void send(byte[] frame) {
        int fd = socket.acquire();
        try {
            buffer.bytes().put(0, frame);
            if (Libc.write(fd, buffer.address(), frame.length) != frame.length) {
                throw Failures.last("sending to " + name);
            }
        } finally {
            socket.release();
        }
    }

    /** The next frame with {@link #ETHERTYPE}; empty if there is none. */
    byte[] receive() {
        int fd = socket.acquire();
        try {
            int length = (int) Libc.read(fd, buffer.address(), buffer.capacity());
            byte[] frame = new byte[Math.max(0, length)];
            buffer.bytes().get(0, frame);
            return frame;
        } finally {
            socket.release();
        }
    }

    @Override
    public void close() {
        socket.close();
        buffer.close();
    }
}
