package vfio.user.internal;

import java.nio.ByteBuffer;
import java.util.List;
import vfio.linux.Descriptor;
import vfio.linux.NativeBuffer;
import vfio.linux.ReceivedDescriptors;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Whole messages over a socket, in both directions.
 *
 * <p>A register access is received by one system call, a longer message by two; what that reads of the next message is kept
 * for it, with its descriptors. Buffers have the size of the largest message and are committed by the kernel only as far as
 * they are used.
 *
 * <p>One thread receives. Several may send, each out of a buffer of its own; messages go out whole, one after the other.
 * Receiving and sending allocate nothing unless descriptors come or go.
 */
public final class MessageChannel implements AutoCloseable {
    /**
     * What the first read of a message asks for: a REGION_READ, a REGION_WRITE of 4 bytes, the reply to a REGION_READ of 4
     * bytes. No message that carries descriptors is shorter, and the kernel ends a read behind the data that descriptors came
     * with. So if a first read goes beyond its message, its descriptors belong to what follows.
     */
    private static final int FIRST = Header.SIZE + Layout.RegionIo.SIZE + Integer.BYTES;

    private final UnixSocket socket;
    private final int dataMaximum;
    private final NativeBuffer in;
    private ReceivedDescriptors descriptors;
    private ReceivedDescriptors ahead;
    private final Object sending = new Object();
    private int dataSize;

    /** Bytes that were read behind the message. */
    private int held;

    /**
     * @param socket owned from now on
     * @param dataMaximum largest message data, without header, in bytes
     * @param descriptorMaximum most descriptors received with one message
     */
    public MessageChannel(UnixSocket socket, int dataMaximum, int descriptorMaximum) {
        this.socket = socket;
        this.dataMaximum = dataMaximum;
        in = NativeBuffer.allocate(Math.max(FIRST, Header.SIZE + dataMaximum));
        descriptors = new ReceivedDescriptors(descriptorMaximum);
        ahead = new ReceivedDescriptors(descriptorMaximum);
    }

    /**
     * Receives the next message; the one before is gone, and descriptors that were not taken from it are closed. A message
     * that is longer than the maximum is read to its end and dropped, and {@link #oversized()} tells.
     *
     * @return false at the end of the stream
     * @throws VfioException EPROTO if the stream makes no sense any more, ECONNRESET if it ends inside a message, ETIMEDOUT
     *     if none begins within the socket's receive timeout
     */
    public boolean receive() {
        int begun = begin();
        if (begun == 0) {
            return false;
        }
        if (begun < Header.SIZE) {
            rest(begun, Header.SIZE - begun);
            begun = Header.SIZE;
        }
        int size = in.bytes().getInt(Header.MESSAGE_SIZE);
        if (size >= 0 && size < Header.SIZE) {
            throw new VfioException(Errno.EPROTO, "a message of " + size + " bytes is shorter than its header");
        }
        long length = Integer.toUnsignedLong(size);
        dataSize = (int) Math.min(length - Header.SIZE, Integer.MAX_VALUE);
        if (begun > length) {
            held = begun - size;
            swapDescriptors();
        } else if (!oversized()) {
            rest(begun, size - begun);
        } else {
            for (long left = length - begun; left > 0; left -= Math.min(left, dataMaximum)) {
                rest(Header.SIZE, (int) Math.min(left, dataMaximum));
            }
        }
        return true;
    }

    /** Whether the message was longer than the maximum, so that its data is not here. */
    public boolean oversized() {
        return dataSize > dataMaximum;
    }

    /** The received message: header at 0, data from {@link Header#SIZE}. */
    public ByteBuffer received() {
        return in.bytes();
    }

    /** Bytes of data received. */
    public int dataSize() {
        return dataSize;
    }

    /** The descriptors that came with the message. */
    public ReceivedDescriptors descriptors() {
        return descriptors;
    }

    /** A buffer for messages to send on this channel; owned by the caller. */
    public NativeBuffer newBuffer() {
        return NativeBuffer.allocate(Header.SIZE + dataMaximum);
    }

    /** Largest message data, in bytes. */
    public int dataMaximum() {
        return dataMaximum;
    }

    /**
     * Puts the header in front of the data in a buffer and sends the message.
     *
     * @param size bytes of data, from {@link Header#SIZE}
     * @param attached descriptors to send along, which stay the caller's
     */
    public void send(
            NativeBuffer message,
            int messageId,
            int command,
            int flags,
            int error,
            int size,
            List<Descriptor> attached) {
        ByteBuffer bytes = message.bytes();
        bytes.putShort(Header.MESSAGE_ID, (short) messageId);
        bytes.putShort(Header.COMMAND, (short) command);
        bytes.putInt(Header.MESSAGE_SIZE, Header.SIZE + size);
        bytes.putInt(Header.FLAGS, flags);
        bytes.putInt(Header.ERROR, error);
        synchronized (sending) {
            if (attached.isEmpty()) {
                socket.send(message, 0, Header.SIZE + size);
            } else {
                socket.send(message, 0, Header.SIZE + size, attached);
            }
        }
    }

    /** The socket, for its options and for waking a receiver. */
    public UnixSocket socket() {
        return socket;
    }

    /** Closes the socket and releases the receive buffer. No thread may be inside. */
    @Override
    public void close() {
        socket.close();
        descriptors.close();
        ahead.close();
        in.close();
    }

    /** Reads the beginning of a message, or takes what was read of it behind the one before. Returns how much there is. */
    private int begin() {
        if (held == 0) {
            descriptors.clear();
            return socket.receive(in, 0, FIRST, descriptors);
        }
        int begun = held;
        held = 0;
        in.bytes().put(0, in.bytes(), Header.SIZE + dataSize, begun);
        swapDescriptors();
        ahead.clear();
        return begun;
    }

    private void swapDescriptors() {
        ReceivedDescriptors other = ahead;
        ahead = descriptors;
        descriptors = other;
    }

    /** Receives more of a message that has begun. If it does not come, nobody can tell where the next one begins. */
    private void rest(int index, int length) {
        boolean whole;
        try {
            whole = length == 0 || socket.receiveFully(in, index, length, descriptors);
        } catch (VfioException e) {
            throw e.errno() == Errno.ETIMEDOUT
                    ? new VfioException(Errno.EPROTO, "the peer stopped inside a message", e)
                    : e;
        }
        if (!whole) {
            throw new VfioException(Errno.ECONNRESET, "the peer closed the connection inside a message");
        }
    }
}
