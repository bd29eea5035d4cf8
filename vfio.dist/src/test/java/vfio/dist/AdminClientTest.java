package vfio.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class AdminClientTest {
    private interface Answer {
        void write(DataOutputStream out) throws IOException;
    }

    @TempDir
    Path folder;

    private final ExecutorService server = Executors.newSingleThreadExecutor();
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private Future<String> received = CompletableFuture.completedFuture("");

    /** A server that failed fails the test. */
    @AfterEach
    void stop() throws Exception {
        received.get(10, TimeUnit.SECONDS);
        server.shutdownNow();
        assertThat(server.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void theCommandGoesOverInUtf8() throws Exception {
        serve(answer -> frame(answer, 'x', 0));

        assertThat(run("echo größer")).isZero();
        assertThat(received.get(10, TimeUnit.SECONDS)).isEqualTo("echo größer");
    }

    @Test
    void outputAndErrorsGoWhereTheyBelong() throws Exception {
        serve(answer -> {
            frame(answer, 'o', "one ");
            frame(answer, 'e', "wrong");
            frame(answer, 'o', "");
            frame(answer, 'o', "two");
            frame(answer, 'x', 1);
        });

        assertThat(run("x")).isEqualTo(1);
        assertThat(out).hasToString("one two");
        assertThat(err).hasToString("wrong");
    }

    @Test
    void aLargeOutputArrivesWhole() throws Exception {
        byte[] large = new byte[1_000_003];
        new Random(1).nextBytes(large);
        serve(answer -> {
            answer.writeByte('o');
            answer.writeInt(large.length);
            answer.write(large);
            frame(answer, 'x', 0);
        });

        assertThat(run("x")).isZero();
        assertThat(out.toByteArray()).isEqualTo(large);
    }

    @Test
    void nobodyThereIsSaidWithTheFolder() {
        assertUnavailable("no runtime answers in " + folder);
    }

    @Test
    void aSocketThatNobodyServesAnyMoreIsNobody() throws Exception {
        listen().close();

        assertThat(folder.resolve(AdminClient.SOCKET)).exists();
        assertUnavailable("no runtime answers in " + folder);
    }

    @Test
    void aRuntimeThatGoesAwayBeforeTheStatusIsNoSuccess() throws Exception {
        serve(answer -> frame(answer, 'o', "half"));

        assertUnavailable("went away");
        assertThat(out).hasToString("half");
    }

    @Test
    void aCutFrameIsNoSuccess() throws Exception {
        serve(answer -> {
            answer.writeByte('o');
            answer.writeInt(10);
            answer.writeBytes("short");
        });

        assertUnavailable("cut short");
    }

    @ParameterizedTest
    @ValueSource(strings = {"?", "X"})
    void anUnknownFrameIsNoSuccess(String type) throws Exception {
        serve(answer -> frame(answer, type.charAt(0), ""));

        assertUnavailable("unknown frame");
    }

    @Test
    void aLengthThatCannotBeIsNoSuccess() throws Exception {
        serve(answer -> {
            answer.writeByte('o');
            answer.writeInt(-1);
        });

        assertUnavailable("-1 bytes");
    }

    @Test
    void aStatusOfTheWrongSizeIsNoSuccess() throws Exception {
        serve(answer -> frame(answer, 'x', "00"));

        assertUnavailable("exit status of 2 bytes");
    }

    private int run(String command) throws LaunchException {
        return new AdminClient(folder).run(command, new PrintStream(out, true), new PrintStream(err, true));
    }

    private void assertUnavailable(String sentence) {
        assertThatExceptionOfType(LaunchException.class)
                .isThrownBy(() -> run("x"))
                .satisfies(e -> assertThat(e.status()).isEqualTo(ExitStatus.UNAVAILABLE))
                .withMessageContaining(sentence);
    }

    private ServerSocketChannel listen() throws IOException {
        Files.createDirectories(folder);
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(folder.resolve(AdminClient.SOCKET)));
    }

    /** Takes one connection, reads the command to its end, answers in one piece, and hangs up. */
    private void serve(Answer answer) throws IOException {
        ByteArrayOutputStream reply = new ByteArrayOutputStream();
        answer.write(new DataOutputStream(reply));
        ServerSocketChannel listening = listen();
        received = server.submit(() -> {
            try (listening;
                    SocketChannel connection = listening.accept();
                    InputStream in = Channels.newInputStream(connection)) {
                String command = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                Channels.newOutputStream(connection).write(reply.toByteArray());
                return command;
            }
        });
    }

    private static void frame(DataOutputStream out, char type, String payload) throws IOException {
        byte[] bytes = payload.getBytes(StandardCharsets.UTF_8);
        out.writeByte(type);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private static void frame(DataOutputStream out, char type, int status) throws IOException {
        out.writeByte(type);
        out.writeInt(1);
        out.writeByte(status);
    }
}
