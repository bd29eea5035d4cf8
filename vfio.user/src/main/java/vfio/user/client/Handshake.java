package vfio.user.client;

import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Capabilities;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;
import vfio.user.internal.MessageChannel;

/**
 * The VERSION exchange.
 *
 * @param negotiated what was agreed
 * @param twin the socket for the server's requests, owned by the caller; null if there is none
 */
record Handshake(Negotiated negotiated, @Nullable UnixSocket twin) {
    private static final int MAJOR = 0;
    private static final int MESSAGE_ID = 0xffff;

    static Handshake over(MessageChannel channel, ClientOptions options) {
        try (NativeBuffer message = channel.newBuffer()) {
            byte[] data = proposal(options).format();
            ByteBuffer bytes = message.bytes();
            bytes.putShort(Header.SIZE + Layout.Version.MAJOR, (short) MAJOR);
            bytes.putShort(Header.SIZE + Layout.Version.MINOR, (short) options.minor());
            bytes.put(Header.SIZE + Layout.Version.DATA, data);
            channel.send(
                    message,
                    MESSAGE_ID,
                    Command.VERSION.number(),
                    Header.FLAGS_TYPE_COMMAND,
                    0,
                    Layout.Version.DATA + data.length,
                    List.of());
        }
        if (!channel.receive()) {
            throw new VfioException(
                    Errno.ENOTCONN, "the server closed the connection at once; has the device a client already?");
        }
        return answer(channel, options);
    }

    private static Capabilities proposal(ClientOptions options) {
        Set<String> names = new HashSet<>(Set.of(
                Capabilities.MAX_MSG_FDS,
                Capabilities.MAX_DATA_XFER_SIZE,
                Capabilities.MAX_DMA_MAPS,
                Capabilities.PGSIZES,
                Capabilities.WRITE_MULTIPLE,
                Capabilities.MIGRATION));
        if (options.twinSocket()) {
            names.add(Capabilities.TWIN_SOCKET);
        }
        if (options.dynamicTrap()) {
            names.add(Capabilities.DYNAMIC_TRAP);
        }
        return new Capabilities(
                names,
                options.maxMsgFds(),
                options.maxDataXferSize(),
                options.maxDmaMaps(),
                Capabilities.DEFAULT.pgsizes(),
                options.writeMultiple(),
                options.twinSocket(),
                options.maxDataXferSize(),
                options.dynamicTrap());
    }

    private static Handshake answer(MessageChannel channel, ClientOptions options) {
        ByteBuffer received = channel.received();
        int flags = received.getInt(Header.FLAGS);
        if ((received.getShort(Header.MESSAGE_ID) & 0xffff) != MESSAGE_ID
                || (received.getShort(Header.COMMAND) & 0xffff) != Command.VERSION.number()
                || (flags & Header.FLAGS_TYPE_MASK) != Header.FLAGS_TYPE_REPLY) {
            throw broken("the first message of the server is not the reply to VERSION");
        }
        if ((flags & Header.FLAGS_ERROR) != 0) {
            Errno errno = Errno.of(received.getInt(Header.ERROR));
            throw new VfioException(errno, "the server refused the connection with " + errno);
        }
        int size = channel.dataSize();
        if (size < Layout.Version.DATA || size > Layout.Version.DATA + Capabilities.DATA_MAXIMUM) {
            throw broken("its version message has " + size + " bytes");
        }
        int major = received.getShort(Header.SIZE + Layout.Version.MAJOR) & 0xffff;
        int minor = received.getShort(Header.SIZE + Layout.Version.MINOR) & 0xffff;
        if (major != MAJOR || minor > options.minor()) {
            throw broken("it answers version 0." + options.minor() + " with " + major + "." + minor);
        }
        byte[] data = new byte[size - Layout.Version.DATA];
        received.get(Header.SIZE + Layout.Version.DATA, data);
        Capabilities theirs = Capabilities.parse(data);
        return new Handshake(
                new Negotiated(
                        minor,
                        theirs.maxMsgFds(),
                        Math.min(options.maxDataXferSize(), theirs.maxDataXferSize()),
                        Math.min(options.maxDmaMaps(), theirs.maxDmaMaps()),
                        theirs.pgsizes(),
                        theirs.writeMultiple(),
                        theirs.twinSocket(),
                        Math.min(options.maxDataXferSize(), Math.min(theirs.maxDataXferSize(), theirs.maxBitmapSize())),
                        options.dynamicTrap() && theirs.dynamicTrap()),
                theirs.twinSocket() ? twin(channel, options) : null);
    }

    /** The twin socket. Only one descriptor comes with the reply, so there is no doubt about which it is. */
    private static UnixSocket twin(MessageChannel channel, ClientOptions options) {
        if (!options.twinSocket() || channel.descriptors().count() != 1) {
            throw broken("it has a twin socket that was not asked for, or that did not come");
        }
        Descriptor descriptor = channel.descriptors().take(0);
        return UnixSocket.of(descriptor);
    }

    private static VfioException broken(String why) {
        return new VfioException(Errno.EPROTO, "this is no vfio-user server: " + why);
    }
}
