package vfio.dist;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Runs one shell command in a runtime that is already there.
 *
 * <p>Protocol of the administration socket: the client sends the command line in UTF-8 and shuts its side down. The
 * server answers with frames: one byte for the type ({@code 'o'} standard output, {@code 'e'} standard error,
 * {@code 'x'} end), four bytes for the length of the payload (big-endian), the payload; that of the end is one byte, the
 * status: 0 or 1.
 */
final class AdminClient {
    static final String SOCKET = "admin.sock";

    private static final int BUFFER = 8192;

    private final Path folder;

    AdminClient(Path folder) {
        this.folder = folder;
    }

    /**
     * Runs a command and copies what it prints.
     *
     * @return 0 or 1, as the runtime says
     * @throws LaunchException with {@link ExitStatus#UNAVAILABLE} if no runtime answers, or it goes away before the end
     */
    int run(String command, PrintStream out, PrintStream err) throws LaunchException {
        Path socket = folder.resolve(SOCKET);
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            if (!connect(channel, socket)) {
                throw nobodyThere(socket);
            }
            ByteBuffer request = ByteBuffer.wrap(command.getBytes(StandardCharsets.UTF_8));
            while (request.hasRemaining()) {
                channel.write(request);
            }
            channel.shutdownOutput();
            return receive(new DataInputStream(Channels.newInputStream(channel)), out, err);
        } catch (IOException e) {
            throw new LaunchException(
                    ExitStatus.UNAVAILABLE,
                    "the runtime in " + folder + " went away before the command ended: " + e.getMessage());
        }
    }

    private static boolean connect(SocketChannel channel, Path socket) {
        try {
            return channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            return false;
        }
    }

    private static int receive(DataInputStream in, PrintStream out, PrintStream err) throws IOException {
        while (true) {
            int type = in.read();
            if (type < 0) {
                throw new EOFException("no exit status");
            }
            int length = in.readInt();
            switch (type) {
                case 'o' -> copy(in, length, out);
                case 'e' -> copy(in, length, err);
                case 'x' -> {
                    if (length != 1) {
                        throw new IOException("exit status of " + length + " bytes");
                    }
                    return in.readUnsignedByte();
                }
                default -> throw new IOException("unknown frame type " + type);
            }
        }
    }

    private static void copy(InputStream in, int length, OutputStream to) throws IOException {
        if (length < 0) {
            throw new IOException("frame of " + length + " bytes");
        }
        byte[] buffer = new byte[Math.min(length, BUFFER)];
        int left = length;
        while (left > 0) {
            int count = in.read(buffer, 0, Math.min(left, buffer.length));
            if (count < 0) {
                throw new EOFException("the output is cut short");
            }
            to.write(buffer, 0, count);
            left -= count;
        }
        to.flush();
    }

    private LaunchException nobodyThere(Path socket) {
        String sentence;
        if (Files.exists(socket) && !Files.isWritable(socket)) {
            sentence = "no permission for " + socket + ". Run exec as the user who started the runtime.";
        } else {
            sentence = "no runtime answers in " + folder
                    + ". Start one with --headless --socket-dir " + folder
                    + ", or name the folder of a running one with --socket-dir.";
        }
        return new LaunchException(ExitStatus.UNAVAILABLE, sentence);
    }
}
