package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.PacketPort;
import vfio.pci.api.device.VfioException;

/**
 * A TAP interface: what is sent here, the host receives on the interface, and the other way round.
 *
 * <p>The interface has one queue and neither packet information nor virtio headers. A frame is copied once on its way between
 * the caller's buffer and the kernel. Threads as in {@link PacketPort}.
 */
public final class TapPort implements PacketPort {
    static final Path DEVICE = Path.of("/dev/net/tun");

    private static final int NAME_SIZE = 16;
    private static final int SHORTEST_FRAME = 14;
    /** Where the frame to be sent begins; the frame received last begins at 0. */
    private static final int SENT = MAXIMUM_FRAME + 1;

    private static final Map<Integer, String> NO_DEVICE = Map.of(
            Linux.ENOENT, "it does not exist; load the module (modprobe tun), or hand the device to the container",
            Linux.ENXIO, "the kernel has no driver for it; load the module (modprobe tun)",
            Linux.ENODEV, "the kernel has no driver for it; load the module (modprobe tun)",
            Linux.EACCES, "let the user of the runtime read and write it",
            Linux.EPERM, "let the runtime use it (device cgroup)");

    private static final Map<Integer, String> NO_INTERFACE = Map.of(
            Linux.EPERM,
                    "give the runtime CAP_NET_ADMIN, or make the interface for it (ip tuntap add dev NAME mode tap user USER)",
            Linux.EBUSY, "another program has it; stop that, or use another interface",
            Linux.EINVAL,
                    "there is an interface of that name that is no TAP interface with one queue; use another name");

    private final String name;
    private final Descriptor tap;
    private final ByteBuffer frames;
    private final long address;
    private final EventFd wakeup;
    private volatile boolean closed;

    private TapPort(String name, Descriptor tap, NativeBuffer frames, EventFd wakeup) {
        this.name = name;
        this.tap = tap;
        this.frames = frames.bytes();
        this.address = frames.address();
        this.wakeup = wakeup;
    }

    /**
     * Opens a TAP interface, see {@link PacketPort.Factory#open}.
     *
     * @return the port, owned by the caller
     */
    public static TapPort open(String name) {
        return open(DEVICE, name);
    }

    static TapPort open(Path device, String name) {
        byte[] request = request(name);
        int fd = Libc.open(UnixAddress.string(device), Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
        if (fd < 0) {
            throw failure("opening " + device, NO_DEVICE);
        }
        NativeBuffer frames = null;
        Descriptor tap = null;
        try {
            if (Libc.ioctl(fd, Linux.TUNSETIFF, request) < 0) {
                throw failure("opening the TAP interface " + name, NO_INTERFACE);
            }
            frames = NativeBuffer.allocate(2 * SENT);
            tap = new Descriptor(fd, frames);
            return new TapPort(nameIn(request), tap, frames, EventFd.create());
        } catch (VfioException failure) {
            if (tap != null) {
                tap.close();
            } else {
                Libc.close(fd);
            }
            throw failure;
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public boolean send(ByteBuffer bytes, int offset, int length) {
        if (length < SHORTEST_FRAME || length > MAXIMUM_FRAME) {
            throw new IllegalArgumentException("a frame of " + length + " bytes");
        }
        int fd = tap.acquire();
        try {
            frames.put(SENT, bytes, offset, length);
            while (Libc.write(fd, address + SENT, length) < 0) {
                int errno = Libc.errno();
                if (errno == Linux.EAGAIN || errno == Linux.EIO || errno == Linux.ENOBUFS || errno == Linux.ENOMEM) {
                    // EIO: the interface is down.
                    return false;
                }
                if (errno != Linux.EINTR) {
                    throw broken(errno, "sending to ");
                }
            }
            return true;
        } finally {
            tap.release();
        }
    }

    @Override
    public int receive(ByteBuffer bytes, int offset, int capacity) {
        Objects.checkFromIndexSize(offset, capacity, bytes.limit());
        int fd = tap.acquire();
        try {
            while (true) {
                int length = (int) Libc.read(fd, address, SENT);
                if (length < 0) {
                    int errno = Libc.errno();
                    if (errno == Linux.EAGAIN) {
                        return 0;
                    }
                    if (errno != Linux.EINTR) {
                        throw broken(errno, "receiving from ");
                    }
                } else if (length <= capacity) {
                    bytes.put(offset, frames, 0, length);
                    return length;
                }
            }
        } finally {
            tap.release();
        }
    }

    @Override
    public boolean await(Duration timeout) {
        Descriptor event = wakeup.descriptor();
        int fd = tap.acquire();
        try {
            int eventFd = event.acquire();
            try {
                long[] entries = {PollSet.entry(fd), PollSet.entry(eventFd)};
                PollSet.await(entries, timeout);
                if (closed) {
                    throw new VfioException(Errno.EBADF, "the TAP interface " + name + " was closed");
                }
                wakeup.drain();
                return PollSet.isReady(entries[0]);
            } finally {
                event.release();
            }
        } finally {
            tap.release();
        }
    }

    @Override
    public void wakeup() {
        wakeup.signal();
    }

    @Override
    public void close() {
        closed = true;
        wakeup.signal();
        wakeup.close();
        tap.close();
    }

    Descriptor descriptor() {
        return tap;
    }

    /** {@code struct ifreq}: name and flags. */
    private static byte[] request(String name) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length >= NAME_SIZE || name.indexOf('\0') >= 0) {
            throw new VfioException(
                    Errno.EINVAL, "\"" + name + "\" is no name for a network interface; use one of 1 to 15 bytes");
        }
        byte[] request = Arrays.copyOf(bytes, Linux.IFREQ_SIZE);
        request[NAME_SIZE] = (byte) Linux.IFF_TAP;
        request[NAME_SIZE + 1] = (byte) (Linux.IFF_NO_PI >>> Byte.SIZE);
        return request;
    }

    private static String nameIn(byte[] request) {
        int length = 0;
        while (length < NAME_SIZE && request[length] != 0) {
            length++;
        }
        return new String(request, 0, length, StandardCharsets.UTF_8);
    }

    private VfioException broken(int errno, String what) {
        if (errno == Linux.EBADFD) {
            return new VfioException(
                    Errno.ENODEV, "the TAP interface " + name + " was deleted; make it again and restart its user");
        }
        return new VfioException(Errno.EIO, Failures.sentence(errno, what + "the TAP interface " + name));
    }

    private static VfioException failure(String what, Map<Integer, String> reasons) {
        int errno = Libc.errno();
        String reason = reasons.get(errno);
        return reason == null
                ? Failures.of(errno, what)
                : new VfioException(Errno.of(errno), what + " failed with " + Errno.of(errno) + ": " + reason);
    }
}
