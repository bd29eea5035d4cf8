package vfio.user.client;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.locks.Condition;
import vfio.linux.Descriptor;
import vfio.linux.NativeBuffer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.MessageChannel;

/**
 * A request and its reply in one buffer: the request until it is sent, the reply when it has come. Reused for later requests.
 *
 * <p>Offsets given here count from the end of the header. The state is guarded by the lock of {@link Exchange}, the buffer
 * belongs to the caller except between sending and the reply.
 */
final class Call implements AutoCloseable {
    private static final int SEQUENCE = 8;

    private final int slot;
    private final NativeBuffer message;
    private final ByteBuffer bytes;
    private final Condition changed;
    private int sequence;
    private int command;
    private boolean waiting;
    private boolean done;
    private int flags;
    private int errno;
    private int size;
    private List<Descriptor> descriptors = List.of();

    Call(int slot, NativeBuffer message, Condition changed) {
        this.slot = slot;
        this.message = message;
        this.bytes = message.bytes();
        this.changed = changed;
    }

    /** The slot in the message id of a reply. */
    static int slot(int messageId) {
        return messageId & (1 << SEQUENCE) - 1;
    }

    int messageId() {
        return slot | (sequence & 0xff) << SEQUENCE;
    }

    NativeBuffer message() {
        return message;
    }

    ByteBuffer bytes() {
        return bytes;
    }

    int getInt(int offset) {
        return bytes.getInt(Header.SIZE + offset);
    }

    long getLong(int offset) {
        return bytes.getLong(Header.SIZE + offset);
    }

    int getShort(int offset) {
        return bytes.getShort(Header.SIZE + offset) & 0xffff;
    }

    BitSet bits(int offset, int length) {
        return BitSet.valueOf(bytes.slice(Header.SIZE + offset, length));
    }

    Call putInt(int offset, int value) {
        bytes.putInt(Header.SIZE + offset, value);
        return this;
    }

    Call putLong(int offset, long value) {
        bytes.putLong(Header.SIZE + offset, value);
        return this;
    }

    /** Signalled when the reply has come, when the connection has failed, or when somebody else must receive. */
    Condition changed() {
        return changed;
    }

    void start(int number) {
        sequence++;
        command = number;
        waiting = true;
        done = false;
    }

    void stop() {
        waiting = false;
    }

    boolean waiting() {
        return waiting && !done;
    }

    boolean done() {
        return done;
    }

    boolean matches(int messageId, int number) {
        return waiting() && messageId() == messageId && command == number;
    }

    /** Takes the reply that the channel has received. */
    void complete(MessageChannel channel) {
        ByteBuffer received = channel.received();
        flags = received.getInt(Header.FLAGS);
        errno = received.getInt(Header.ERROR);
        size = channel.oversized() ? -1 : channel.dataSize();
        if (size > 0) {
            bytes.put(Header.SIZE, received, Header.SIZE, size);
        }
        if (channel.descriptors().count() != 0) {
            descriptors = channel.descriptors().takeAll();
        }
        done = true;
    }

    boolean failed() {
        return (flags & Header.FLAGS_ERROR) != 0;
    }

    int errno() {
        return errno;
    }

    /** Bytes of reply data; -1 if there were more than the limit. */
    int size() {
        return size;
    }

    /** The descriptors that came with the reply; owned by the caller from now on. */
    List<Descriptor> takeDescriptors() {
        List<Descriptor> taken = descriptors;
        descriptors = List.of();
        return taken;
    }

    /** Fails with what an error reply says, or if the reply is shorter than it must be. */
    void requireReply(int minimum) {
        if (failed()) {
            throw new VfioException(
                    Errno.of(errno), "the server refused " + Command.of(command) + " with " + Errno.of(errno));
        }
        if (size < minimum) {
            throw broken("a reply of " + size + " bytes where " + minimum + " are expected");
        }
    }

    VfioException broken(String why) {
        return new VfioException(Errno.EPROTO, "the reply to " + Command.of(command) + " makes no sense: " + why);
    }

    void closeDescriptors() {
        if (!descriptors.isEmpty()) {
            takeDescriptors().forEach(Descriptor::close);
        }
    }

    @Override
    public void close() {
        closeDescriptors();
        message.close();
    }
}
