package vfio.bench;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The distribution, running without a client and with files of its own. */
final class Distribution implements AutoCloseable {
    private static final String READY = "ready:";

    private final Child child;
    private final Path sockets;
    private final double secondsToReady;

    private Distribution(Child child, Path sockets, double secondsToReady) {
        this.child = child;
        this.sockets = sockets;
        this.secondsToReady = secondsToReady;
    }

    /**
     * Starts it as a peer and waits until it is ready.
     *
     * @param folder for its sockets, logs and caches
     * @param options in addition to those that say where these are
     */
    static Distribution start(Settings settings, Path folder, String... options) throws IOException {
        Path sockets = folder.resolve("sockets");
        List<String> command = new ArrayList<>(
                List.of(settings.launcher().toString(), "--headless", "--socket-dir", sockets.toString()));
        command.addAll(List.of(options));
        Map<String, String> environment =
                Map.of("VFIO_MEDIATE_VAR", folder.resolve("var").toString());
        long start = System.nanoTime();
        Child child = Child.start(settings.asPeer(command), environment, READY);
        return new Distribution(child, sockets, (System.nanoTime() - start) / 1e9);
    }

    /** From the start of the process to its line that says so. */
    double secondsToReady() {
        return secondsToReady;
    }

    /** The line that says so. */
    String ready() {
        return child.readyLine();
    }

    /** The socket of a device. */
    Path socket(String address) {
        return sockets.resolve(address + ".sock");
    }

    /** Where devices come in from other runtimes. */
    Path migrationSocket() {
        return sockets.resolve("migration.sock");
    }

    /** What its shell prints of a command; over the administration socket, whose protocol {@code vfio.dist} describes. */
    String shell(String command) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(sockets.resolve("admin.sock")))) {
            channel.write(ByteBuffer.wrap(command.getBytes(StandardCharsets.UTF_8)));
            channel.shutdownOutput();
            DataInputStream answer = new DataInputStream(Channels.newInputStream(channel));
            StringBuilder printed = new StringBuilder();
            for (char type = (char) answer.readByte(); type != 'x'; type = (char) answer.readByte()) {
                printed.append(new String(answer.readNBytes(answer.readInt()), StandardCharsets.UTF_8));
            }
            return printed.toString();
        }
    }

    long pid() {
        return child.pid();
    }

    @Override
    public void close() {
        child.close();
    }
}
