package vfio.user;

import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import vfio.linux.NativeBuffer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Capabilities;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;
import vfio.user.internal.MessageChannel;

/**
 * The first exchange of a connection.
 *
 * <p>The major version must be ours. The minor version and every capability become the lesser of what the two sides can do,
 * and only capabilities that the client named are answered.
 */
final class Negotiation {
    static final int MAJOR = 0;
    static final int MINOR = 1;

    /** What this server can do. */
    static final Capabilities OURS = new Capabilities(
            Set.of(
                    Capabilities.MAX_MSG_FDS,
                    Capabilities.MAX_DATA_XFER_SIZE,
                    Capabilities.MAX_DMA_MAPS,
                    Capabilities.PGSIZES,
                    Capabilities.WRITE_MULTIPLE,
                    Capabilities.TWIN_SOCKET,
                    Capabilities.MIGRATION,
                    Capabilities.DYNAMIC_TRAP),
            16,
            1 << 20,
            65_535,
            4096,
            true,
            true,
            1 << 20,
            true);

    private Negotiation() {}

    /** A version that was proposed, and what is agreed. */
    record Outcome(int messageId, int minor, Capabilities agreed, int clientMaxDataXferSize) {}

    /** Reads the proposal that the channel has received. */
    static Outcome read(MessageChannel channel) {
        ByteBuffer received = channel.received();
        int command = received.getShort(Header.COMMAND) & 0xffff;
        if (command != Command.VERSION.number()
                || (received.getInt(Header.FLAGS) & Header.FLAGS_TYPE_MASK) != Header.FLAGS_TYPE_COMMAND) {
            throw Session.invalid("the first message must be VERSION, not command " + command);
        }
        int size = channel.dataSize();
        if (size < Layout.Version.DATA || size > Layout.Version.DATA + Capabilities.DATA_MAXIMUM) {
            throw Session.invalid("a version message of " + size + " bytes cannot be");
        }
        if (channel.descriptors().count() != 0 || channel.descriptors().overflowed()) {
            throw Session.invalid("a version message takes no descriptors");
        }
        int major = received.getShort(Header.SIZE + Layout.Version.MAJOR) & 0xffff;
        if (major != MAJOR) {
            throw new VfioException(
                    Errno.EOPNOTSUPP, "the client speaks vfio-user " + major + ", this server speaks " + MAJOR);
        }
        int minor = received.getShort(Header.SIZE + Layout.Version.MINOR) & 0xffff;
        byte[] data = new byte[size - Layout.Version.DATA];
        received.get(Header.SIZE + Layout.Version.DATA, data);
        Capabilities proposed = Capabilities.parse(data);
        return new Outcome(
                received.getShort(Header.MESSAGE_ID) & 0xffff,
                Math.min(minor, MINOR),
                agree(proposed),
                proposed.maxDataXferSize());
    }

    /** Sends the answer, with the client's end of the twin socket if one was agreed. */
    static void answer(MessageChannel channel, NativeBuffer reply, Outcome outcome, ClientMessages memory) {
        byte[] data = outcome.agreed().format();
        ByteBuffer bytes = reply.bytes();
        bytes.putShort(Header.SIZE + Layout.Version.MAJOR, (short) MAJOR);
        bytes.putShort(Header.SIZE + Layout.Version.MINOR, (short) outcome.minor());
        bytes.put(Header.SIZE + Layout.Version.DATA, data);
        memory.withClientEnd(attached -> channel.send(
                reply,
                outcome.messageId(),
                Command.VERSION.number(),
                Header.FLAGS_TYPE_REPLY,
                0,
                Layout.Version.DATA + data.length,
                attached));
    }

    private static Capabilities agree(Capabilities proposed) {
        Set<String> names = new HashSet<>(proposed.names());
        names.retainAll(OURS.names());
        return new Capabilities(
                names,
                OURS.maxMsgFds(),
                Math.min(OURS.maxDataXferSize(), proposed.maxDataXferSize()),
                Math.min(OURS.maxDmaMaps(), proposed.maxDmaMaps()),
                OURS.pgsizes(),
                OURS.writeMultiple() && proposed.writeMultiple(),
                OURS.twinSocket() && proposed.twinSocket(),
                Math.min(OURS.maxBitmapSize(), proposed.maxBitmapSize()),
                OURS.dynamicTrap() && proposed.dynamicTrap());
    }
}
