package vfio.pci.api.device;

import java.nio.ByteBuffer;
import java.time.Duration;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A link between a network device and the host: Ethernet frames, whole, without frame check sequence and with their
 * checksums in place.
 *
 * <p>Sending and receiving allocate nothing and never block. One thread at a time sends, one receives or awaits, and they may
 * be two; {@link #wakeup()} and {@link #close()} may come from any. After close everything fails with {@link VfioException}
 * EBADF, also a wait in progress; close is idempotent. If the host takes its end away, sending and receiving fail with
 * ENODEV from then on, and the port is of no more use.
 */
@ProviderType
public interface PacketPort extends AutoCloseable {
    /** The longest frame, in bytes. */
    int MAXIMUM_FRAME = 0xffff;

    /** The name of the host's end, for example that of a network interface. */
    String name();

    /**
     * Sends a frame to the host. Like a cable, the port may lose it: the host's queue may be full, or its end be down.
     *
     * @param bytes holds the frame; unchanged, its position and limit, too
     * @param offset of the destination address
     * @param length bytes, from 14 to {@link #MAXIMUM_FRAME}
     * @return whether the host took it; if not, it is lost
     * @throws VfioException ENODEV, EBADF; EIO for any other failure of the host
     */
    boolean send(ByteBuffer bytes, int offset, int length);

    /**
     * Takes the next frame from the host. Frames that do not fit are lost.
     *
     * @param bytes gets the frame; its position and limit are unchanged
     * @param offset where the destination address is to be
     * @param capacity bytes the frame may have
     * @return bytes of the frame; 0 if there is none
     * @throws VfioException ENODEV, EBADF; EIO for any other failure of the host
     */
    int receive(ByteBuffer bytes, int offset, int capacity);

    /**
     * Waits until there is something to receive.
     *
     * @param timeout at most
     * @return whether there is a frame, or a failure to be told by {@link #receive}; false after the timeout or a wakeup
     * @throws VfioException EBADF after close, also if that comes while this waits
     */
    boolean await(Duration timeout);

    /** Ends the wait in progress, or the next one if there is none. Does nothing after close. */
    void wakeup();

    /** Ends the link. */
    @Override
    void close();

    /** Makes ports. An OSGi service of the native bundle. */
    @ProviderType
    interface Factory {
        /**
         * Opens a TAP interface: an existing one, or else one that is created and lasts until close. Whether it is up, and what
         * addresses it has, is the administrator's business.
         *
         * @param name of the interface, 1 to 15 bytes; {@code %d} in it stands for the first number that is free
         * @return the port, owned by the caller
         * @throws VfioException EINVAL if there cannot be a TAP interface of that name; EBUSY if another program has it; EPERM
         *     or EACCES if that is not permitted; ENOENT or ENODEV if the system has no TAP interfaces
         */
        PacketPort open(String name);
    }
}
