package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.felix.service.command.Process;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.shell.AdminClient.Answer;

@Timeout(30)
class AdminServerTest {
    private static final Duration LONG = Duration.ofMinutes(1);

    @TempDir
    Path directory;

    private final Gogo gogo = new Gogo();
    private final TestCommands commands = new TestCommands();
    private AdminServer server;

    /** Commands that print, fail and hang. */
    public static final class TestCommands {
        final CountDownLatch hanging = new CountDownLatch(1);
        final CountDownLatch interrupted = new CountDownLatch(1);

        public void print(String text) {
            System.out.println(text);
        }

        public void complain(String text) {
            System.err.println(text);
            Process.Utils.current().error(3);
        }

        public String lose(String file) throws IOException {
            return Files.readString(Path.of(file));
        }

        public void hang() throws InterruptedException {
            hanging.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                interrupted.countDown();
                throw e;
            }
        }

        public String repeat(String text, int times) {
            return text.repeat(times);
        }
    }

    @BeforeEach
    void open() throws IOException {
        for (String function : new String[] {"print", "complain", "lose", "hang", "repeat"}) {
            gogo.processor.addCommand("test", commands, function);
        }
        open(AdminServer.Limits.DEFAULT);
    }

    private void open(AdminServer.Limits limits) throws IOException {
        server = AdminServer.open(directory, gogo.processor, limits);
    }

    @AfterEach
    void close() {
        server.close();
        gogo.close();
    }

    @Test
    void resultsArriveAsTheShellPrintsThem() throws Exception {
        assertThat(run("vfio:devices")).isEqualTo(new Answer(gogo.run("vfio:devices") + "\n", "", 0));
    }

    @Test
    void ourCommandsNeedNoScope() throws Exception {
        assertThat(run("open 3:2.0").status()).isZero();
        assertThat(run("read 3:2.0 bar0 0x8800")).isEqualTo(new Answer("0x00000002\n", "", 0));
    }

    @Test
    void bothStreamsArrive() throws Exception {
        assertThat(run("print hello")).isEqualTo(new Answer("hello\n", "", 0));
        assertThat(run("complain woe")).isEqualTo(new Answer("", "woe\n", 1));
        assertThat(run("complain woe; print hello")).isEqualTo(new Answer("hello\n", "woe\n", 0));
    }

    @Test
    void ourErrorsAreOneSentence() throws Exception {
        assertThat(run("vfio:open 3:0.0"))
                .isEqualTo(new Answer("", "EPERM: 0000:03:00.0 cannot be given to a VMM\n", 1));
    }

    @Test
    void otherErrorsSayTheirKind() throws Exception {
        assertThat(run("lose some.file")).isEqualTo(new Answer("", "NoSuchFileException: some.file\n", 1));
        assertThat(run("nosuchcommand")).satisfies(answer -> {
            assertThat(answer.status()).isEqualTo(1);
            assertThat(answer.error()).contains("Command not found").contains("nosuchcommand");
        });
        assertThat(run("print 'unterminated").status()).isEqualTo(1);
    }

    @Test
    void nothingIsACommandToo() throws Exception {
        assertThat(run("")).isEqualTo(new Answer("", "", 0));
    }

    @Test
    void textIsUtf8() throws Exception {
        assertThat(run("repeat 'grüße' 2")).isEqualTo(new Answer("grüßegrüße\n", "", 0));

        try (AdminClient client = new AdminClient(server.path())) {
            client.send(new byte[] {(byte) 0xff});
            client.endOfCommand();
            assertThat(client.answer()).isEqualTo(new Answer("", "the command is not UTF-8\n", 1));
        }
    }

    @Test
    void largeAnswersArriveWhole() throws Exception {
        assertThat(run("repeat abcdefghij 300000").output()).hasSize(3_000_001);
    }

    @Test
    void aCommandMayComeInPieces() throws Exception {
        try (AdminClient client = new AdminClient(server.path())) {
            for (byte b : "print pieces".getBytes(StandardCharsets.UTF_8)) {
                client.send(new byte[] {b});
            }
            client.endOfCommand();
            assertThat(client.answer()).isEqualTo(new Answer("pieces\n", "", 0));
        }
    }

    @Test
    void aCommandMayFillTheLimitAndNotExceedIt() throws Exception {
        String full = "print " + "x".repeat(64 * 1024 - "print ".length());
        assertThat(run(full).output()).hasSize(full.length() - "print ".length() + 1);
        assertThat(run(full + "x")).isEqualTo(new Answer("", "the command is longer than 65536 bytes\n", 1));
        assertThat(run(full.repeat(5)).status()).isEqualTo(1);
    }

    @Test
    void aSilentClientHoldsUpNobodyAndIsDismissed() throws Exception {
        restart(new AdminServer.Limits(8, 1024, Duration.ofMillis(200)));
        try (AdminClient silent = new AdminClient(server.path())) {
            assertThat(run("print hello").output()).isEqualTo("hello\n");
            assertThat(silent.answer()).satisfies(answer -> {
                assertThat(answer.status()).isEqualTo(1);
                assertThat(answer.error()).startsWith("the command did not arrive in time");
            });
        }
    }

    @Test
    void oneMoreThanTheLimitIsToldToTryAgain() throws Exception {
        restart(new AdminServer.Limits(2, 1024, LONG));
        try (AdminClient first = new AdminClient(server.path());
                AdminClient second = new AdminClient(server.path())) {
            await().untilAsserted(() -> assertThat(threads("vfio-admin-[0-9]+")).hasSize(2));
            try (AdminClient third = new AdminClient(server.path())) {
                assertThat(third.answer())
                        .isEqualTo(new Answer("", "all 2 administration connections are in use: try again\n", 1));
            }
            first.endOfCommand();
            assertThat(first.answer().status()).isZero();
            second.close();
            await().untilAsserted(() -> assertThat(run("print hello").output()).isEqualTo("hello\n"));
        }
    }

    @Test
    void manyConnectionsLeaveNoThreadBehind() throws Exception {
        run("print hello");
        await().untilAsserted(() ->
                assertThat(threads("vfio-admin-[0-9]+|session.*|pipe.*|job.*")).isEmpty());

        for (int i = 0; i < 100; i++) {
            if (i % 2 == 0) {
                new AdminClient(server.path()).close();
            } else {
                assertThat(run("print hello").status()).isZero();
            }
        }

        await().untilAsserted(() ->
                assertThat(threads("vfio-admin-[0-9]+|session.*|pipe.*|job.*")).isEmpty());
    }

    @Test
    void closeEndsSilentClientsAndHangingCommandsWithinASecond() throws Exception {
        restart(new AdminServer.Limits(8, 1024, LONG));
        try (AdminClient silent = new AdminClient(server.path());
                AdminClient hanging = new AdminClient(server.path())) {
            hanging.send("hang".getBytes(StandardCharsets.UTF_8));
            hanging.endOfCommand();
            commands.hanging.await();

            long start = System.nanoTime();
            server.close();
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(1));

            await().untilAsserted(() -> assertThat(threads("vfio-admin.*")).isEmpty());
            commands.interrupted.await();
            assertThat(hanging.answer()).isEqualTo(new Answer("", "the command was interrupted\n", 1));
            assertThatCode(silent::answer).doesNotThrowAnyException();
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void closeIsIdempotent() {
        server.close();
        server.close();

        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aCommandThatIsAboutToEndMayEnd() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        gogo.processor.addCommand("test", new Slow(started, proceed), "slow");
        try (AdminClient client = new AdminClient(server.path())) {
            client.send("slow".getBytes(StandardCharsets.UTF_8));
            client.endOfCommand();
            started.await();
            Thread closer = new Thread(server::close);
            closer.start();
            await().until(() -> Files.notExists(server.path()));
            proceed.countDown();

            assertThat(client.answer()).isEqualTo(new Answer("done\n", "", 0));
            closer.join();
        }
    }

    /** Ends when it is told to. */
    public record Slow(CountDownLatch started, CountDownLatch proceed) {
        public String slow() throws InterruptedException {
            started.countDown();
            proceed.await();
            return "done";
        }
    }

    @Test
    void onlyTheOwnerAndRootAreServed() {
        UserPrincipal owner = new User("mediator");

        assertThat(AdminServer.isAllowed(new User("mediator"), owner)).isTrue();
        assertThat(AdminServer.isAllowed(new User("root"), owner)).isTrue();
        assertThat(AdminServer.isAllowed(new User("guest"), owner)).isFalse();
    }

    private record User(String name) implements UserPrincipal {
        @Override
        public String getName() {
            return name;
        }
    }

    private void restart(AdminServer.Limits limits) throws IOException {
        server.close();
        open(limits);
    }

    private Answer run(String command) throws IOException {
        return AdminClient.run(server.path(), command);
    }

    private static List<String> threads(String pattern) {
        List<String> names = new ArrayList<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().matches(pattern)) {
                names.add(thread.getName());
            }
        }
        return names;
    }
}
