package vfio.shell;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The far end of the administration socket. */
final class AdminClient implements AutoCloseable {
    /**
     * An answer.
     *
     * @param output all of standard output
     * @param error all of standard error
     * @param status exit status; -1 if the connection ended without
     */
    record Answer(String output, String error, int status) {}

    private final SocketChannel channel;

    AdminClient(Path socket) throws IOException {
        channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
    }

    static Answer run(Path socket, String command) throws IOException {
        try (AdminClient client = new AdminClient(socket)) {
            client.send(command.getBytes(StandardCharsets.UTF_8));
            client.endOfCommand();
            return client.answer();
        }
    }

    void send(byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    void endOfCommand() throws IOException {
        channel.shutdownOutput();
    }

    Answer answer() throws IOException {
        StringBuilder output = new StringBuilder();
        StringBuilder error = new StringBuilder();
        int status = -1;
        DataInputStream in = new DataInputStream(Channels.newInputStream(channel));
        while (true) {
            int type = in.read();
            if (type < 0) {
                return new Answer(output.toString(), error.toString(), status);
            }
            byte[] payload = new byte[in.readInt()];
            in.readFully(payload);
            switch (type) {
                case 'o' -> output.append(new String(payload, StandardCharsets.UTF_8));
                case 'e' -> error.append(new String(payload, StandardCharsets.UTF_8));
                case 'x' -> status = payload[0];
                default -> throw new EOFException("frame of type " + type);
            }
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
