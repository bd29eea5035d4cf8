package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.awaitility.core.ThrowingRunnable;
import vfio.linux.Descriptor;
import vfio.linux.UnixListener;
import vfio.pci.api.device.Errno;
import vfio.user.client.ClientOptions;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

/**
 * A server for one fake device at a real socket, and clients for it. At its end it closes all of them and finds that no
 * descriptor and no thread is left.
 */
final class TestServer implements AutoCloseable {
    final FakeManager manager = new FakeManager();

    private final List<String> descriptorsBefore = openFiles();
    private final List<String> threadsBefore = threads();
    private final List<AutoCloseable> owned = new ArrayList<>();
    private final Path directory;
    private final DeviceSocket socket;
    private final Acceptor acceptor = new Acceptor();

    TestServer() {
        this(Timeouts.DEFAULT, Admission.of(new int[0]));
    }

    TestServer(Timeouts timeouts) {
        this(timeouts, Admission.of(new int[0]));
    }

    TestServer(Timeouts timeouts, Admission admission) {
        try {
            directory = Files.createTempDirectory("vfio-user");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        socket = new DeviceSocket(
                manager,
                manager.device(),
                UnixListener.bind(directory.resolve("device.sock"), 0600),
                admission,
                timeouts);
        acceptor.start();
        acceptor.add(socket);
    }

    Path path() {
        return socket.path();
    }

    VfioUserClient connect() {
        return connect(ClientOptions.DEFAULT);
    }

    VfioUserClient connect(ClientOptions options) {
        return own(VfioUserClient.connect(path(), options.withTimeout(Duration.ofSeconds(20))));
    }

    RawClient raw() {
        return own(new RawClient(path()));
    }

    /** Closes something at the end of the test. */
    <T extends AutoCloseable> T own(T closeable) {
        owned.add(closeable);
        return closeable;
    }

    /** Stops to serve, as when the device leaves. */
    void stop() {
        socket.close();
    }

    /** The device that was opened last. */
    FakeDevice device() {
        return manager.opened.get(manager.opened.size() - 1);
    }

    /** Sends a command that must be refused by a header-only reply, and finds that the session goes on. */
    static void assertRefused(
            VfioUserClient client, Command command, byte[] data, Errno expected, Descriptor... attached) {
        try (Reply reply = client.request(command.number(), data, List.of(attached))) {
            assertThat(reply.error())
                    .as("error flag of the reply to %s", command)
                    .isTrue();
            assertThat(Errno.of(reply.errno())).isEqualTo(expected);
            assertThat(reply.data().capacity()).isZero();
            assertThat(reply.descriptors()).isEmpty();
        }
        assertAlive(client);
    }

    static void assertAlive(VfioUserClient client) {
        assertThat(client.info().regionCount()).isEqualTo(FakeDevice.TYPED_AND_SPARSE + 1);
    }

    /** Repeats until it holds. */
    static void eventually(ThrowingRunnable assertion) {
        await().pollDelay(Duration.ZERO)
                .pollInterval(Duration.ofMillis(2))
                .atMost(Duration.ofSeconds(10))
                .untilAsserted(assertion);
    }

    /** Open files of the kinds this product opens. */
    static int descriptors() {
        return openFiles().size();
    }

    /** A server lets go of what came with a message when it turns to the next. */
    static void awaitDescriptors(int expected) {
        await().untilAsserted(() -> assertThat(openFiles()).hasSize(expected));
    }

    private static List<String> openFiles() {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.map(TestServer::target)
                    .filter(target -> target.startsWith("socket:")
                            || target.startsWith("/memfd:")
                            || target.contains("[eventfd]"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<String> threads() {
        Set<Thread> all = Thread.getAllStackTraces().keySet();
        return all.stream()
                .filter(Objects::nonNull)
                .map(Thread::getName)
                .filter(name -> name.startsWith("vfio-user"))
                .toList();
    }

    @Override
    public void close() throws Exception {
        for (AutoCloseable each : owned) {
            each.close();
        }
        acceptor.close();
        socket.close();
        Files.delete(directory);
        eventually(() -> {
            assertThat(threads()).hasSameElementsAs(threadsBefore);
            assertThat(openFiles()).hasSameSizeAs(descriptorsBefore);
        });
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            return "gone";
        }
    }
}
