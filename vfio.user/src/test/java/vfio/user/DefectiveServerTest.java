package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.ClientTest.assertFails;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.linux.MappedMemory;
import vfio.linux.UnixListener;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;
import vfio.user.internal.Header;

/** The client believes no server: what the specification does not allow is EPROTO. */
class DefectiveServerTest {
    private static final Duration SHORT = Duration.ofMillis(300);

    private final int descriptors = TestServer.descriptors();
    private UnixListener listener;
    private CompletableFuture<Void> script;

    @BeforeEach
    void listen(@TempDir Path directory) {
        listener = UnixListener.bind(directory.resolve("s"), 0600);
    }

    @AfterEach
    void leavesNothingBehind() throws Exception {
        script.get(20, TimeUnit.SECONDS);
        listener.close();
        assertThat(Files.exists(listener.path())).isFalse();
        TestServer.eventually(() -> assertThat(TestServer.descriptors()).isLessThanOrEqualTo(descriptors));
    }

    /** Serves one client by a script. */
    private void serve(Consumer<RawClient> peer) {
        script = CompletableFuture.runAsync(() -> {
            UnixSocket socket = listener.accept();
            try (RawClient client = new RawClient(socket)) {
                peer.accept(client);
            }
        });
    }

    /** Negotiates, then answers each request with the same data. */
    private VfioUserClient connectTo(Consumer<RawClient> peer) {
        serve(client -> {
            answer(client, client.receive(), version(0, 1, ""));
            peer.accept(client);
        });
        return VfioUserClient.connect(listener.path(), ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(20)));
    }

    record BadVersion(String name, int flags, Data data) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<BadVersion> badVersions() {
        return Stream.of(
                new BadVersion("another major", Header.FLAGS_TYPE_REPLY, version(1, 0, "")),
                new BadVersion("a higher minor", Header.FLAGS_TYPE_REPLY, version(0, 2, "")),
                new BadVersion("too short", Header.FLAGS_TYPE_REPLY, new Data().u16(0)),
                new BadVersion("too long", Header.FLAGS_TYPE_REPLY, version(0, 1, " ".repeat(5000))),
                new BadVersion("a command", Header.FLAGS_TYPE_COMMAND, version(0, 1, "")),
                new BadVersion(
                        "a twin socket nobody asked for",
                        Header.FLAGS_TYPE_REPLY,
                        version(0, 1, "{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}")));
    }

    @ParameterizedTest
    @MethodSource("badVersions")
    void refusesAnAnswerToVersion(BadVersion bad) {
        serve(client -> {
            RawClient.Message request = client.receive();
            client.send(RawClient.message(
                    request.id(), request.command(), bad.flags(), bad.data().bytes()));
        });

        assertFails(Errno.EPROTO, () -> VfioUserClient.connect(listener.path()));
    }

    @Test
    void refusesATwinSocketThatDoesNotCome() {
        serve(client -> answer(
                client,
                client.receive(),
                version(0, 1, "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}")));

        assertFails(
                Errno.EPROTO,
                () -> VfioUserClient.connect(listener.path(), ClientOptions.DEFAULT.withTwinSocket(true)));
    }

    @Test
    void passesTheErrnoOfARefusalOn() {
        serve(client -> {
            RawClient.Message request = client.receive();
            client.send(new Data()
                    .u16(request.id(), request.command())
                    .u32(16, Header.FLAGS_TYPE_REPLY | Header.FLAGS_ERROR, Errno.EBUSY.number())
                    .bytes());
        });

        assertFails(Errno.EBUSY, () -> VfioUserClient.connect(listener.path()));
    }

    @Test
    void doesNotWaitForeverForAVersion() {
        serve(client -> {
            client.receive();
            client.receive();
        });

        assertFails(
                Errno.ETIMEDOUT,
                () -> VfioUserClient.connect(listener.path(), ClientOptions.DEFAULT.withTimeout(SHORT)));
    }

    @Test
    void refusesAReplyThatIsTooShort() {
        try (VfioUserClient client = connectTo(peer -> {
            answer(peer, peer.receive(), new Data().u32(16, 0, 1));
            answer(peer, peer.receive(), new Data().u64(0).u32(0, 4).u16(1));
            answer(peer, peer.receive(), new Data().u32(16, 2, 9, 5));
        })) {
            assertFails(Errno.EPROTO, client::info);
            assertFails(Errno.EPROTO, () -> client.readInt(0, 0));
            assertThat(client.info().regionCount()).isEqualTo(9);
        }
    }

    record BadRegion(String name, Data data) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<BadRegion> badRegions() {
        return Stream.of(
                new BadRegion("needs too little", new Data().u32(31, 3, 0, 0).u64(4096, 0)),
                new BadRegion("needs too much", new Data().u32(-1, 3, 0, 0).u64(4096, 0)),
                new BadRegion(
                        "no capabilities where there is room",
                        new Data().u32(64, 3, 0, 0).u64(4096, 0)),
                new BadRegion(
                        "a capability before the list",
                        new Data().u32(64, 11, 0, 16).u64(4096, 0).raw(new byte[32])),
                new BadRegion(
                        "a capability behind the end",
                        new Data().u32(64, 11, 0, 57).u64(4096, 0).raw(new byte[32])),
                new BadRegion(
                        "a negative capability",
                        new Data().u32(64, 11, 0, -8).u64(4096, 0).raw(new byte[32])),
                new BadRegion(
                        "a loop",
                        new Data()
                                .u32(48, 11, 0, 32)
                                .u64(4096, 0)
                                .u16(9, 1)
                                .u32(32)
                                .u64(0)),
                new BadRegion(
                        "too many areas",
                        new Data()
                                .u32(64, 11, 0, 32)
                                .u64(4096, 0)
                                .u16(1, 1)
                                .u32(0, 2, 0)
                                .u64(0, 4096)),
                new BadRegion(
                        "a negative number of areas",
                        new Data()
                                .u32(64, 11, 0, 32)
                                .u64(4096, 0)
                                .u16(1, 1)
                                .u32(0, -1, 0)
                                .u64(0, 4096)),
                new BadRegion(
                        "areas that are cut off",
                        new Data().u32(40, 11, 0, 32).u64(4096, 0).u16(1, 1).u32(0)),
                new BadRegion(
                        "areas with flags that are cut off",
                        new Data()
                                .u32(64, 11, 0, 32)
                                .u64(4096, 0)
                                .u16(1, 2)
                                .u32(0, 1, 0)
                                .u64(0, 4096)),
                new BadRegion(
                        "areas of a version to come",
                        new Data()
                                .u32(72, 11, 0, 32)
                                .u64(4096, 0)
                                .u16(1, 3)
                                .u32(0, 1, 0)
                                .u64(0, 4096, 0)),
                new BadRegion(
                        "a type that is cut off",
                        new Data().u32(40, 11, 0, 32).u64(4096, 0).u16(2, 1).u32(0)),
                new BadRegion(
                        "mappable without a descriptor",
                        new Data().u32(32, 7, 0, 0).u64(4096, 0)));
    }

    @ParameterizedTest
    @MethodSource("badRegions")
    void refusesInformationAboutARegion(BadRegion bad) {
        try (VfioUserClient client = connectTo(peer -> answerAll(peer, bad.data()))) {
            assertFails(Errno.EPROTO, () -> client.regionInfo(0));
        }
    }

    @Test
    void closesDescriptorsThatDoNotBelong() {
        try (MappedMemory memory = MappedMemory.allocate("unwanted", 4096);
                VfioUserClient client = connectTo(peer -> {
                    for (int round = 0; round < 3; round++) {
                        RawClient.Message request = peer.receive();
                        peer.send(
                                RawClient.message(
                                        request.id(),
                                        request.command(),
                                        Header.FLAGS_TYPE_REPLY,
                                        new Data().u32(32, 3, 0, 0).u64(4096, 0).bytes()),
                                memory.descriptor());
                    }
                    peer.receive();
                })) {
            int before = TestServer.descriptors();
            assertFails(Errno.EPROTO, () -> client.regionInfo(0));
            client.info();
            client.reset();
            TestServer.awaitDescriptors(before);
        }
    }

    @Test
    void dropsRepliesThatNobodyWaitsFor() {
        try (VfioUserClient client = connectTo(peer -> {
            RawClient.Message request = peer.receive();
            Data info = new Data().u32(16, 2, 9, 5);
            for (int id : new int[] {request.id() ^ 1, request.id() ^ 0x100, 0xffff}) {
                peer.send(RawClient.message(
                        id,
                        request.command(),
                        Header.FLAGS_TYPE_REPLY,
                        new Data().u32(16, 0, 0, 0).bytes()));
            }
            peer.send(RawClient.message(
                    request.id(), Command.DEVICE_RESET.number(), Header.FLAGS_TYPE_REPLY, info.bytes()));
            answer(peer, request, info);
            answer(peer, request, info);
            answerAll(peer, info);
        })) {
            assertThat(client.info().regionCount()).isEqualTo(9);
            assertThat(client.info().regionCount()).isEqualTo(9);
        }
    }

    @Test
    void aServerThatStopsInsideAMessageEndsTheConnection() {
        serve(client -> {
            answer(client, client.receive(), version(0, 1, ""));
            RawClient.Message request = client.receive();
            client.send(new Data().u16(request.id(), request.command()).u32(32).bytes());
            while (client.receive() != null) {}
        });
        try (VfioUserClient client =
                VfioUserClient.connect(listener.path(), ClientOptions.DEFAULT.withTimeout(SHORT))) {
            // Who only waits may lose patience before the one who receives.
            assertThatThrownBy(client::info).isInstanceOf(VfioException.class);
            TestServer.eventually(() -> assertFails(Errno.EPROTO, client::info));
        }
    }

    record BadRequest(String name, Command command, Data data, Errno errno) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<BadRequest> badRequests() {
        return Stream.of(
                new BadRequest("too short", Command.DMA_READ, new Data().u64(0), Errno.EINVAL),
                new BadRequest("nothing", Command.DMA_READ, new Data().u64(0, 0), Errno.EINVAL),
                new BadRequest("too much", Command.DMA_READ, new Data().u64(0, (1 << 20) + 1), Errno.EINVAL),
                new BadRequest("negative", Command.DMA_READ, new Data().u64(0, -1), Errno.EINVAL),
                new BadRequest(
                        "a read with data",
                        Command.DMA_READ,
                        new Data().u64(0, 4).u32(0),
                        Errno.EINVAL),
                new BadRequest(
                        "a write with less data",
                        Command.DMA_WRITE,
                        new Data().u64(0, 8).u32(0),
                        Errno.EINVAL),
                new BadRequest("no memory", Command.DMA_READ, new Data().u64(0, 4), Errno.EFAULT),
                new BadRequest("not for a client", Command.DEVICE_RESET, new Data(), Errno.ENOSYS));
    }

    @ParameterizedTest
    @MethodSource("badRequests")
    void refusesARequest(BadRequest bad) throws Exception {
        CountDownLatch refused = new CountDownLatch(1);
        try (VfioUserClient client = connectTo(peer -> {
            peer.exchange(7, bad.command(), bad.data().bytes()).isRefused(7, bad.errno());
            refused.countDown();
            answerAll(peer, new Data().u32(16, 2, 9, 5));
        })) {
            assertThat(refused.await(20, TimeUnit.SECONDS)).isTrue();
            assertThat(client.info().regionCount()).isEqualTo(9);
        }
    }

    private static void answer(RawClient peer, RawClient.Message request, Data data) {
        peer.send(RawClient.message(request.id(), request.command(), Header.FLAGS_TYPE_REPLY, data.bytes()));
    }

    private static void answerAll(RawClient peer, Data data) {
        for (RawClient.Message request = peer.receive(); request != null; request = peer.receive()) {
            answer(peer, request, data);
        }
    }

    private static Data version(int major, int minor, String json) {
        return new Data().u16(major, minor).text(json);
    }
}
