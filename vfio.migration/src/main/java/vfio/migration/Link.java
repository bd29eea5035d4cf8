package vfio.migration;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import vfio.linux.MappedMemory;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The connection of two runtimes that move a device. A message is a type and the length of what follows, 4 bytes each, and that;
 * little-endian. Owns the socket. One thread sends, receives and closes.
 */
final class Link implements AutoCloseable {
    /** The longest payload of all messages but MEMORY, in bytes. */
    static final int PAYLOAD_MAXIMUM = 1 << 18;

    /** The most memory in one message, in bytes. Much, because each message makes the two ends wait for each other. */
    static final int MEMORY_MAXIMUM = 1 << 20;

    /** Refusals are no longer than this many characters, so that every one fits. */
    private static final int SENTENCE_MAXIMUM = 2000;

    private static final int HEADER = 2 * Integer.BYTES;

    private final UnixSocket socket;
    private final NativeBuffer output = NativeBuffer.allocate(HEADER + PAYLOAD_MAXIMUM);
    private final NativeBuffer input = NativeBuffer.allocate(HEADER + PAYLOAD_MAXIMUM);
    private final ByteBuffer sending = output.bytes().order(ByteOrder.LITTLE_ENDIAN);
    private final ByteBuffer received = input.bytes().order(ByteOrder.LITTLE_ENDIAN);

    private int memoryLength;

    Link(UnixSocket socket) {
        this.socket = socket;
    }

    /** Room for the payload of the next message, little-endian; its position says how long it is. */
    ByteBuffer payload() {
        return sending.clear().position(HEADER);
    }

    /** Sends what {@link #payload} was filled with. */
    void send(MessageType type) {
        int length = sending.position() - HEADER;
        sending.putInt(0, type.number()).putInt(Integer.BYTES, length);
        socket.send(output, 0, HEADER + length);
    }

    /** Sends a message without a payload. */
    void sendEmpty(MessageType type) {
        payload();
        send(type);
    }

    /**
     * Sends memory of a client, without a copy where it can be lent.
     *
     * @param length bytes, at most {@link #MEMORY_MAXIMUM}, inside one mapping
     */
    void sendMemory(DmaSpace memory, long iova, int length) {
        ByteBuffer head = payload().putLong(iova);
        head.putInt(0, MessageType.MEMORY.number()).putInt(Integer.BYTES, Long.BYTES + length);
        socket.send(output, 0, head.position());
        for (int done = 0; done < length; ) {
            int rest = length - done;
            int count = memory.lend(
                    iova + done,
                    rest,
                    false,
                    (lent, at) -> lent instanceof MappedMemory mapped && mapped.isAddressable()
                            ? socket.trySend(mapped, at, rest)
                            : -1);
            if (count == 0) {
                socket.awaitRoom();
            } else if (count < 0) {
                count = Math.min(rest, PAYLOAD_MAXIMUM);
                memory.read(iova + done, sending.clear().limit(count));
                socket.send(output, 0, count);
            }
            done += count;
        }
    }

    /** Tells the other end why it goes no further. */
    void refuse(VfioException why) {
        String sentence = String.valueOf(why.getMessage());
        payload()
                .putInt(why.errno().number())
                .put(sentence.substring(0, Math.min(SENTENCE_MAXIMUM, sentence.length()))
                        .getBytes(StandardCharsets.UTF_8));
        send(MessageType.REFUSE);
    }

    /**
     * Waits for a message; {@link #received} is its payload until the next, of MEMORY only the IOVA: the memory itself has to be
     * received by {@link #receiveMemory}.
     *
     * @throws VfioException ECONNRESET if the other end has gone; EPROTO for what is no message
     */
    MessageType receive() {
        if (!socket.receiveFully(input, 0, HEADER)) {
            throw new VfioException(Errno.ECONNRESET, "the other runtime ended the connection");
        }
        received.clear();
        int number = received.getInt(0);
        int length = received.getInt(Integer.BYTES);
        MessageType type = MessageType.of(number)
                .orElseThrow(() -> new VfioException(Errno.EPROTO, "a message of type " + number + " is not known"));
        boolean isMemory = type == MessageType.MEMORY;
        int least = isMemory ? Long.BYTES : 0;
        if (length < least || length > (isMemory ? Long.BYTES + MEMORY_MAXIMUM : PAYLOAD_MAXIMUM)) {
            throw new VfioException(Errno.EPROTO, "a message " + type + " claims " + length + " bytes");
        }
        memoryLength = isMemory ? length - Long.BYTES : 0;
        receiveFully(HEADER, length - memoryLength);
        received.limit(HEADER + length - memoryLength).position(HEADER);
        return type;
    }

    /** Bytes of memory that come with the MEMORY that came last. */
    int memoryLength() {
        return memoryLength;
    }

    /** Receives these into memory of a client, inside one mapping; without a copy where it can be lent. */
    void receiveMemory(DmaSpace memory, long iova) {
        for (int done = 0; done < memoryLength; ) {
            int rest = memoryLength - done;
            int count = memory.lend(
                    iova + done,
                    rest,
                    true,
                    (lent, at) -> lent instanceof MappedMemory mapped && mapped.isAddressable()
                            ? socket.tryReceive(mapped, at, rest)
                            : -1);
            if (count == 0) {
                socket.awaitData();
            } else if (count < 0) {
                count = Math.min(rest, PAYLOAD_MAXIMUM);
                receiveFully(0, count);
                memory.write(iova + done, received.clear().limit(count));
            }
            done += count;
        }
    }

    private void receiveFully(int index, int length) {
        if (length > 0 && !socket.receiveFully(input, index, length)) {
            throw new VfioException(Errno.ECONNRESET, "the other runtime ended the connection within a message");
        }
    }

    /** The payload of the message that came last, from position to limit. */
    ByteBuffer received() {
        return received;
    }

    /**
     * Waits for a certain message.
     *
     * @throws RefusedException if the other end refuses instead
     */
    void expect(MessageType wanted) throws RefusedException {
        MessageType type = receive();
        if (type == MessageType.REFUSE) {
            throw refusal();
        }
        if (type != wanted) {
            throw new VfioException(Errno.EPROTO, "the other runtime sent " + type + " where " + wanted + " was due");
        }
    }

    private RefusedException refusal() {
        if (received.remaining() < Integer.BYTES) {
            throw new VfioException(Errno.EPROTO, "the other runtime refused without saying why");
        }
        int errno = received.getInt();
        byte[] sentence = new byte[received.remaining()];
        received.get(sentence);
        return new RefusedException(new VfioException(
                Errno.of(errno), "the other runtime refused: " + new String(sentence, StandardCharsets.UTF_8)));
    }

    /** Ends what the owner's thread waits for; that it fails then. For any thread. */
    void cut() {
        socket.shutdown();
    }

    @Override
    public void close() {
        socket.close();
        output.close();
        input.close();
    }
}
