package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Hears what the kernel tells of its devices ({@code NETLINK_KOBJECT_UEVENT}), with a {@link Poller}. For one thread at a time;
 * close may come from any.
 *
 * <p>Others may be able to send to it what looks like an event. So an event says where to look, not what is there.
 */
public final class UeventSocket implements AutoCloseable {
    /** Larger than any event of the kernel, {@code UEVENT_BUFFER_SIZE} and a header. */
    private static final int CAPACITY = 16 * 1024;

    private static final int SOCKADDR_NL_SIZE = 12;
    private static final int NL_GROUPS = 8;
    private static final int KERNEL_EVENTS = 1;

    private final Descriptor descriptor;
    private final NativeBuffer buffer;

    private UeventSocket(Descriptor descriptor, NativeBuffer buffer) {
        this.descriptor = descriptor;
        this.buffer = buffer;
    }

    /**
     * Begins to listen.
     *
     * @return the socket, owned by the caller
     * @throws VfioException EMFILE, EPERM
     */
    public static UeventSocket open() {
        int fd = Libc.socket(
                Linux.AF_NETLINK,
                Linux.SOCK_DGRAM | Linux.SOCK_CLOEXEC | Linux.SOCK_NONBLOCK,
                Linux.NETLINK_KOBJECT_UEVENT);
        if (fd < 0) {
            throw Failures.last("listening to the kernel's device events");
        }
        boolean complete = false;
        try {
            byte[] address = ByteBuffer.allocate(SOCKADDR_NL_SIZE)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putShort(0, (short) Linux.AF_NETLINK)
                    .putInt(NL_GROUPS, KERNEL_EVENTS)
                    .array();
            if (Libc.bind(fd, address, address.length) < 0) {
                throw Failures.last("listening to the kernel's device events");
            }
            NativeBuffer buffer = NativeBuffer.allocate(CAPACITY);
            UeventSocket socket = new UeventSocket(new Descriptor(fd, buffer), buffer);
            complete = true;
            return socket;
        } finally {
            if (!complete) {
                Libc.close(fd);
            }
        }
    }

    /**
     * Takes the next event.
     *
     * @return its properties, such as {@code ACTION}, {@code SUBSYSTEM} and {@code DEVPATH}; null if there is none now
     * @throws VfioException ENOMEM if events were lost, and then the next call goes on; EBADF after close
     */
    public @Nullable Map<String, String> receive() {
        int fd = descriptor.acquire();
        try {
            while (true) {
                int length = (int) Libc.read(fd, buffer.address(), CAPACITY);
                if (length >= 0) {
                    byte[] message = new byte[length];
                    buffer.bytes().get(0, message);
                    return Uevent.properties(new String(message, StandardCharsets.UTF_8));
                }
                int errno = Libc.errno();
                if (errno == Linux.EAGAIN) {
                    return null;
                }
                if (errno == Linux.ENOBUFS) {
                    throw new VfioException(
                            Errno.ENOMEM, "device events came faster than they were taken; look at all devices");
                }
                if (errno != Linux.EINTR) {
                    throw Failures.of(errno, "taking a device event");
                }
            }
        } finally {
            descriptor.release();
        }
    }

    @Override
    public void close() {
        descriptor.close();
    }

    Descriptor descriptor() {
        return descriptor;
    }
}
