package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import vfio.linux.Descriptor;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.MessageChannel;

/** Sends bytes as a test wants them and receives messages; does nothing by itself. */
final class RawClient implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(20);
    static final int NO_REPLY = Header.FLAGS_NO_REPLY;

    private final MessageChannel channel;

    record Message(int id, int command, int flags, int errno, ByteBuffer data, List<Descriptor> descriptors) {
        /** A refusal: a header with the errno and nothing else. */
        void isRefused(int expectedId, Errno expected) {
            assertThat(Errno.of(errno)).isEqualTo(expected);
            assertThat(id).isEqualTo(expectedId);
            assertThat(flags).isEqualTo(Header.FLAGS_TYPE_REPLY | Header.FLAGS_ERROR);
            assertThat(data.capacity()).isZero();
            assertThat(descriptors).isEmpty();
        }

        Message isGood(int expectedId) {
            assertThat(flags).isEqualTo(Header.FLAGS_TYPE_REPLY);
            assertThat(errno).isZero();
            assertThat(id).isEqualTo(expectedId);
            return this;
        }
    }

    RawClient(Path path) {
        this(UnixSocket.connect(path));
    }

    RawClient(UnixSocket socket) {
        socket.receiveTimeout(PATIENCE);
        channel = new MessageChannel(socket, (1 << 20) + 64, 16);
    }

    UnixSocket socket() {
        return channel.socket();
    }

    static byte[] message(int id, int command, int flags, byte[] data) {
        return new Data()
                .u16(id, command)
                .u32(Header.SIZE + data.length, flags, 0)
                .raw(data)
                .bytes();
    }

    static byte[] version(int major, int minor, String json) {
        return new Data().u16(major, minor).text(json).bytes();
    }

    void send(byte[] bytes, Descriptor... attached) {
        try (NativeBuffer buffer = NativeBuffer.allocate(Math.max(1, bytes.length))) {
            buffer.bytes().put(0, bytes);
            channel.socket().send(buffer, 0, bytes.length, List.of(attached));
        }
    }

    void send(int id, Command command, byte[] data, Descriptor... attached) {
        send(message(id, command.number(), 0, data), attached);
    }

    /** The next message, or null at the end of the stream. */
    Message receive() {
        if (!channel.receive()) {
            return null;
        }
        ByteBuffer received = channel.received();
        ByteBuffer data = ByteBuffer.allocate(channel.dataSize()).order(ByteOrder.LITTLE_ENDIAN);
        data.put(0, received, Header.SIZE, channel.dataSize());
        return new Message(
                received.getShort(Header.MESSAGE_ID) & 0xffff,
                received.getShort(Header.COMMAND) & 0xffff,
                received.getInt(Header.FLAGS),
                received.getInt(Header.ERROR),
                data,
                channel.descriptors().takeAll());
    }

    Message exchange(int id, Command command, byte[] data, Descriptor... attached) {
        send(id, command, data, attached);
        return receive();
    }

    /** Proposes 0.1 and expects success. */
    Message negotiate(String json) {
        return exchange(1, Command.VERSION, version(0, 1, json)).isGood(1);
    }

    RawClient negotiated() {
        negotiate("");
        return this;
    }

    @Override
    public void close() {
        channel.close();
    }
}
