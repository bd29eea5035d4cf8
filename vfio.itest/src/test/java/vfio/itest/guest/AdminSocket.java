package vfio.itest.guest;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The administration socket of a runtime, without the start script in between: for tests that ask often. */
final class AdminSocket {
    private AdminSocket() {}

    /**
     * Runs a shell command.
     *
     * @return what it printed
     * @throws AssertionError if it failed
     */
    static String run(Path socket, String command) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            channel.write(ByteBuffer.wrap(command.getBytes(StandardCharsets.UTF_8)));
            channel.shutdownOutput();
            DataInputStream answer = new DataInputStream(Channels.newInputStream(channel));
            ByteArrayOutputStream text = new ByteArrayOutputStream();
            while (true) {
                int type = answer.readByte();
                byte[] payload = answer.readNBytes(answer.readInt());
                if (type == 'x') {
                    if (payload[0] != 0) {
                        throw new AssertionError(command + ": " + text.toString(StandardCharsets.UTF_8));
                    }
                    return text.toString(StandardCharsets.UTF_8);
                }
                text.writeBytes(payload);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(command + " got no answer", e);
        }
    }
}
