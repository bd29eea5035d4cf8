package vfio.bench;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The same round trips in C, compiled where a C compiler is found.
 *
 * @param program the executable
 */
record NativeProgram(Path program) {
    private static final String SOURCE = "pingpong.c";

    /** Compiles the program into a folder; empty if there is no compiler. */
    static Optional<NativeProgram> compile(Path folder) throws IOException {
        Path source = folder.resolve(SOURCE);
        try (InputStream in = NativeProgram.class.getResourceAsStream(SOURCE)) {
            if (in == null) {
                throw new IllegalStateException(SOURCE + " is missing from the jar");
            }
            Files.copy(in, source);
        }
        Path program = folder.resolve("pingpong");
        try {
            Process compiler = new ProcessBuilder("cc", "-O2", "-o", program.toString(), source.toString())
                    .inheritIO()
                    .start();
            if (await(compiler) != 0) {
                throw new IllegalStateException("cc does not compile " + SOURCE);
            }
        } catch (IOException e) {
            return Optional.empty();
        }
        return Optional.of(new NativeProgram(program));
    }

    /** Bare messages between two processes of this program. */
    Contender bare(Settings settings, Path folder) throws IOException {
        Path socket = folder.resolve("native.sock");
        Path request = Files.write(folder.resolve("bare.request"), new byte[Messages.REQUEST_SIZE]);
        List<String> server = List.of(
                program.toString(),
                "server",
                socket.toString(),
                Integer.toString(Messages.REQUEST_SIZE),
                Integer.toString(Messages.REPLY_SIZE));
        Child peer = Child.start(settings.asPeer(server), Map.of(), "listening");
        return new Client("bare, C at both ends", Optional.of(peer), List.of(socket.toString(), request.toString()));
    }

    /** Trapped reads of this program from a device. */
    Contender trapped(Path socket, Path folder) throws IOException {
        Path request = Files.write(folder.resolve("trapped.request"), Messages.readRstat());
        Path version = Files.write(folder.resolve("trapped.version"), Messages.version());
        return new Client(
                "trapped read, C client",
                Optional.empty(),
                List.of(socket.toString(), request.toString(), version.toString()));
    }

    private static int await(Process process) {
        try {
            return process.waitFor();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    /** Starts a process for each series of round trips. */
    private final class Client implements Contender {
        private final String name;
        private final Optional<Child> peer;
        private final List<String> arguments;

        Client(String name, Optional<Child> peer, List<String> arguments) {
            this.name = name;
            this.peer = peer;
            this.arguments = arguments;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public long[] run(int count) throws IOException {
            List<String> command = new ArrayList<>(List.of(
                    program.toString(), "client", Integer.toString(count), Integer.toString(Messages.REPLY_SIZE)));
            command.addAll(arguments);
            Process client = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            byte[] bytes = new byte[count * Long.BYTES];
            try (DataInputStream in = new DataInputStream(client.getInputStream())) {
                in.readFully(bytes);
            }
            if (await(client) != 0) {
                throw new IOException(name + " failed");
            }
            long[] nanos = new long[count];
            ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).asLongBuffer().get(nanos);
            return nanos;
        }

        @Override
        public void close() {
            peer.ifPresent(Child::close);
        }
    }
}
