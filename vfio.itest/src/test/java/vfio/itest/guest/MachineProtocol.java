package vfio.itest.guest;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.io.StringReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** QEMU's machine protocol (QMP), over its UNIX socket. For one thread. */
final class MachineProtocol implements AutoCloseable {
    private static final Duration ANSWER = Duration.ofSeconds(20);

    /** What comes after the last message, known by its identity. */
    private static final JsonObject END = Json.createObjectBuilder().build();

    private final SocketChannel channel;
    private final BlockingQueue<JsonObject> received = new LinkedBlockingQueue<>();

    private MachineProtocol(SocketChannel channel) {
        this.channel = channel;
    }

    /** Connects to a QEMU that listens already, and takes command mode. */
    static MachineProtocol connect(Path socket) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        boolean connected = false;
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            connected = true;
        } finally {
            if (!connected) {
                channel.close();
            }
        }
        MachineProtocol protocol = new MachineProtocol(channel);
        Thread reader = new Thread(protocol::read, "QMP " + socket.getFileName());
        reader.setDaemon(true);
        reader.start();
        protocol.execute("qmp_capabilities", JsonObject.EMPTY_JSON_OBJECT);
        return protocol;
    }

    /**
     * Takes a device away from the guest and waits until QEMU has let it go.
     *
     * @return false if QEMU ended instead
     */
    boolean removeDevice(String id) {
        execute("device_del", Json.createObjectBuilder().add("id", id).build());
        return await(message -> message == END || isDeletionOf(id, message)) != END;
    }

    /** Gives the guest a device, described as for {@code -device}. */
    void addDevice(JsonObject device) {
        execute("device_add", device);
    }

    /** The guest's CPUs stand still; its devices do not. */
    void pause() {
        execute("stop", JsonObject.EMPTY_JSON_OBJECT);
    }

    /** They go on. */
    void resume() {
        execute("cont", JsonObject.EMPTY_JSON_OBJECT);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static boolean isDeletionOf(String id, JsonObject message) {
        return message.getString("event", "").equals("DEVICE_DELETED")
                && message.getJsonObject("data").getString("device", "").equals(id);
    }

    private void execute(String command, JsonObject arguments) {
        String line = Json.createObjectBuilder()
                        .add("execute", command)
                        .add("arguments", arguments)
                        .build() + "\n";
        ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw new AssertionError("QEMU does not take " + line, e);
        }
        JsonObject answer =
                await(message -> message == END || message.containsKey("return") || message.containsKey("error"));
        if (answer == END) {
            throw new AssertionError("QEMU ended instead of doing " + line);
        }
        if (answer.containsKey("error")) {
            throw new AssertionError("QEMU refused " + line + answer);
        }
    }

    private JsonObject await(Predicate<JsonObject> wanted) {
        long deadline = System.nanoTime() + ANSWER.toNanos();
        try {
            while (true) {
                JsonObject message = received.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                if (message == null) {
                    throw new AssertionError("QEMU did not answer within " + ANSWER.toSeconds() + " s");
                }
                if (wanted.test(message)) {
                    return message;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for QEMU", e);
        }
    }

    private void read() {
        StringBuilder line = new StringBuilder();
        ByteBuffer bytes = ByteBuffer.allocate(4096);
        try {
            while (channel.read(bytes) >= 0) {
                for (bytes.flip(); bytes.hasRemaining(); ) {
                    char next = (char) bytes.get();
                    line.append(next);
                    if (next == '\n') {
                        received.add(Json.createReader(new StringReader(line.toString()))
                                .readObject());
                        line.setLength(0);
                    }
                }
                bytes.clear();
            }
        } catch (IOException e) {
            // Closed here, or QEMU was killed.
        } finally {
            received.add(END);
        }
    }
}
