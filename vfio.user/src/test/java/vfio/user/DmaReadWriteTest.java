package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;
import static vfio.user.TestServer.eventually;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;
import vfio.user.internal.Header;

/** The server asks the client for memory; "device" is a thread of the device, "connection" the one that serves the client. */
class DmaReadWriteTest {
    private static final long IOVA = 0x10_0000;
    private static final Duration SHORT = Duration.ofMillis(400);

    @AutoClose
    final TestServer server = new TestServer(new Timeouts(Duration.ofSeconds(20), Duration.ofSeconds(20)));

    final byte[] memory = new byte[3 << 20];

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void deviceReadsTheClientsMemory(boolean twin) throws Exception {
        connect(twin);
        new Random(1).nextBytes(memory);

        ByteBuffer read = read(IOVA + 3, (2 << 20) + 5).get();

        assertThat(read.flip()).isEqualTo(ByteBuffer.wrap(memory, 3, (2 << 20) + 5));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void deviceWritesTheClientsMemory(boolean twin) throws Exception {
        connect(twin);
        byte[] data = new byte[(1 << 20) + 1];
        new Random(2).nextBytes(data);

        write(IOVA + 1, data).get();

        assertThat(Arrays.copyOfRange(memory, 1, data.length + 1)).isEqualTo(data);
    }

    @Test
    void requestsAreNoLongerThanTheClientTakes() throws Exception {
        RawClient client = server.raw();
        client.negotiate("{\"capabilities\":{\"max_data_xfer_size\":4096}}");
        CompletableFuture<ByteBuffer> read = read(IOVA, 4100);

        for (int count : new int[] {4096, 4}) {
            RawClient.Message request = client.receive();
            assertThat(request.data().getLong(8)).isEqualTo(count);
            reply(
                    client,
                    request,
                    new Data().u64(request.data().getLong(0), count).raw(new byte[count]));
        }

        assertThat(read.get().capacity()).isEqualTo(4100);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatTheClientRefusesIsEfault(boolean twin) {
        connect(twin);

        assertFails(read(0, 4), Errno.EFAULT);
        assertFails(write(IOVA + memory.length - 2, new byte[4]), Errno.EFAULT);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void deviceWorksWhileTheClientPipelines(boolean twin) throws Exception {
        VfioUserClient client = connect(twin);
        List<CompletableFuture<?>> work = new ArrayList<>();
        for (int thread = 0; thread < 4; thread++) {
            int offset = thread * 8;
            work.add(CompletableFuture.runAsync(() -> {
                for (int value = 0; value < 300; value++) {
                    client.writeRegisterPosted(FakeDevice.TRAPPED, offset, 8, value);
                    assertThat(client.readLong(FakeDevice.TRAPPED, offset)).isEqualTo(value);
                }
            }));
        }
        work.add(CompletableFuture.runAsync(() -> {
            for (int round = 0; round < 3; round++) {
                assertThat(client.read(FakeDevice.TRAPPED, 4096, 1 << 20)).hasSize(1 << 20);
            }
        }));
        work.add(CompletableFuture.runAsync(() -> {
            for (int round = 0; round < 100; round++) {
                write(IOVA + round * 8L, new byte[] {(byte) round, 0, 0, 0, 0, 0, 0, 1})
                        .join();
                assertThat(read(IOVA + round * 8L, 8).join().get(0)).isEqualTo((byte) round);
            }
        }));
        work.add(CompletableFuture.runAsync(() -> {
            for (int round = 0; round < 3; round++) {
                read(IOVA + (1 << 20), 1 << 20).join();
            }
        }));

        CompletableFuture.allOf(work.toArray(CompletableFuture[]::new)).get(60, TimeUnit.SECONDS);
    }

    @Test
    void connectionMayNotAskOnTheSharedSocket() {
        VfioUserClient client = connect(false);
        server.device().beforeRead = access -> server.device().clientMemory.read(IOVA, ByteBuffer.allocate(4));

        assertThatThrownBy(() -> client.readInt(FakeDevice.TRAPPED, 0))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EDEADLK));
        assertAlive(client);
    }

    @Test
    void connectionMayAskOnTheTwinSocket() {
        VfioUserClient client = connect(true);
        memory[0] = 0x5a;
        server.device().beforeRead = access -> {
            ByteBuffer read = ByteBuffer.allocate(1);
            server.device().clientMemory.read(IOVA, read);
            server.device().memory(FakeDevice.TRAPPED).putByte(0, read.get(0));
        };

        assertThat(client.readInt(FakeDevice.TRAPPED, 0)).isEqualTo(0x5a);
    }

    @Test
    void takesTheShortReplyToAWrite() throws Exception {
        RawClient client = server.raw().negotiated();
        CompletableFuture<Void> write = write(IOVA, new byte[] {1, 2, 3, 4});

        RawClient.Message request = client.receive();
        assertThat(request.command()).isEqualTo(Command.DMA_WRITE.number());
        assertThat(request.flags()).isEqualTo(Header.FLAGS_TYPE_COMMAND);
        assertThat(request.data().capacity()).isEqualTo(20);
        assertThat(request.data().getLong(0)).isEqualTo(IOVA);
        assertThat(request.data().getLong(8)).isEqualTo(4);
        assertThat(request.data().getInt(16)).isEqualTo(0x0403_0201);
        reply(client, request, new Data().u64(IOVA).u32(4));

        write.get();
    }

    @ParameterizedTest
    @MethodSource("badReplies")
    void aReplyThatDoesNotMatchIsEfault(BadReply bad) {
        RawClient client = server.raw().negotiated();
        CompletableFuture<ByteBuffer> read = read(IOVA, 4);

        reply(client, client.receive(), bad.data());

        assertFails(read, Errno.EFAULT);
        assertGoesOn(client);
    }

    record BadReply(String name, Data data) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<BadReply> badReplies() {
        return Stream.of(
                new BadReply("empty", new Data()),
                new BadReply("header only", new Data().u64(IOVA)),
                new BadReply("without data", new Data().u64(IOVA, 4)),
                new BadReply("too little", new Data().u64(IOVA, 3).u8(1, 2, 3)),
                new BadReply("too much", new Data().u64(IOVA, 5).u8(1, 2, 3, 4, 5)),
                new BadReply("more than it says", new Data().u64(IOVA, 4).u8(1, 2, 3, 4, 5)),
                new BadReply("another address", new Data().u64(IOVA + 1, 4).u8(1, 2, 3, 4)),
                new BadReply("another count", new Data().u64(IOVA, 5).u8(1, 2, 3, 4)),
                new BadReply("too long", new Data().u64(IOVA, 4).raw(new byte[(1 << 20) + 100])));
    }

    @Test
    void dropsRepliesThatNobodyWaitsFor() throws Exception {
        RawClient client = server.raw().negotiated();
        Data good = new Data().u64(IOVA, 4).u32(7);
        client.send(RawClient.message(1, Command.DMA_READ.number(), Header.FLAGS_TYPE_REPLY, good.bytes()));
        assertGoesOn(client);
        CompletableFuture<ByteBuffer> read = read(IOVA, 4);
        RawClient.Message request = client.receive();
        client.send(
                RawClient.message(request.id() + 1, Command.DMA_READ.number(), Header.FLAGS_TYPE_REPLY, good.bytes()));
        client.send(RawClient.message(request.id(), Command.DMA_WRITE.number(), Header.FLAGS_TYPE_REPLY, good.bytes()));
        assertGoesOn(client);

        assertThat(read).isNotDone();
        reply(client, request, good);
        reply(client, request, good);

        assertThat(read.get().order(ByteOrder.LITTLE_ENDIAN).getInt(0)).isEqualTo(7);
        assertGoesOn(client);
    }

    @Test
    void aClientThatDoesNotAnswerCostsATimeout() throws Exception {
        try (TestServer hasty = new TestServer(new Timeouts(Duration.ofSeconds(20), SHORT))) {
            aClientThatDoesNotAnswerCostsATimeout(hasty);
        }
    }

    private void aClientThatDoesNotAnswerCostsATimeout(TestServer hasty) throws Exception {
        RawClient client = hasty.raw().negotiated();
        ByteBuffer destination = ByteBuffer.allocate(4);

        assertFails(
                CompletableFuture.runAsync(() -> hasty.device().clientMemory.read(IOVA, destination)), Errno.ETIMEDOUT);

        RawClient.Message late = client.receive();
        CompletableFuture<Void> next =
                CompletableFuture.runAsync(() -> hasty.device().clientMemory.write(IOVA, ByteBuffer.allocate(4)));
        reply(client, late, new Data().u64(IOVA, 4).u32(-1));
        reply(client, client.receive(), new Data().u64(IOVA, 4));
        next.get();
        assertThat(destination.getInt(0)).as("what came too late").isZero();
        assertGoesOn(client);
    }

    @Test
    void aReplyOnTheMainSocketDoesNotCountIfThereIsATwin() throws Exception {
        try (TestServer hasty = new TestServer(new Timeouts(Duration.ofSeconds(20), SHORT))) {
            aReplyOnTheMainSocketDoesNotCountIfThereIsATwin(hasty);
        }
    }

    private void aReplyOnTheMainSocketDoesNotCountIfThereIsATwin(TestServer hasty) {
        RawClient client = hasty.raw();
        RawClient.Message version = client.negotiate("{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}");
        RawClient twin =
                hasty.own(new RawClient(UnixSocket.of(version.descriptors().get(0))));
        ByteBuffer destination = ByteBuffer.allocate(4);
        CompletableFuture<Void> read =
                CompletableFuture.runAsync(() -> hasty.device().clientMemory.read(IOVA, destination));

        RawClient.Message request = twin.receive();
        reply(client, request, new Data().u64(IOVA, 4).u32(-1));

        assertFails(read, Errno.ETIMEDOUT);
        reply(client, request, new Data().u64(IOVA, 4).u32(-1));
        assertGoesOn(client);
        assertThat(destination.getInt(0)).isZero();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoWaitsForAClientThatLeavesIsWoken(boolean twin) {
        RawClient client = server.raw();
        RawClient.Message version =
                client.negotiate("{\"capabilities\":{\"twin_socket\":{\"supported\":" + twin + "}}}");
        version.descriptors().forEach(server::own);
        CompletableFuture<ByteBuffer> read = read(IOVA, 4);

        if (!twin) {
            client.receive();
        }
        client.close();

        assertFails(read, Errno.ENOTCONN);
        eventually(() -> assertThat(server.device().closed).isTrue());
        assertFails(read(IOVA, 4), Errno.ENOTCONN);
    }

    /** The connection's thread itself waits, at the twin socket, while the connection is ended. */
    @Test
    void aRequestOnTheTwinSocketEndsWithTheConnection() throws Exception {
        try (TestServer stopping = new TestServer(new Timeouts(Duration.ofSeconds(20), Duration.ofSeconds(20)))) {
            RawClient client = stopping.raw();
            client.negotiate("{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}")
                    .descriptors()
                    .forEach(descriptor -> stopping.own(new RawClient(UnixSocket.of(descriptor))));
            FakeDevice device = stopping.device();
            CountDownLatch inside = new CountDownLatch(1);
            device.beforeRead = access -> {
                inside.countDown();
                device.clientMemory.read(IOVA, ByteBuffer.allocate(4));
            };
            client.send(
                    2,
                    Command.REGION_READ,
                    new Data().u64(0).u32(FakeDevice.TRAPPED, 4).bytes());
            assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();

            stopping.stop();

            assertThat(device.closed)
                    .as("given back when the socket has closed")
                    .isTrue();
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"DMA_READ", "DMA_WRITE"})
    void theClientMayNotAskTheServer(Command command) {
        VfioUserClient client = connect(false);

        assertRefused(client, command, new Data().u64(IOVA, 4).u32(0).bytes(), Errno.ENOSYS);
    }

    private VfioUserClient connect(boolean twin) {
        VfioUserClient client = server.connect(ClientOptions.DEFAULT.withTwinSocket(twin));
        client.dmaMap(IOVA, memory, true, true);
        return client;
    }

    private CompletableFuture<ByteBuffer> read(long iova, int count) {
        FakeDevice device = server.device();
        return CompletableFuture.supplyAsync(() -> {
            ByteBuffer destination = ByteBuffer.allocate(count);
            device.clientMemory.read(iova, destination);
            assertThat(destination.hasRemaining()).isFalse();
            return destination;
        });
    }

    private CompletableFuture<Void> write(long iova, byte[] data) {
        FakeDevice device = server.device();
        return CompletableFuture.runAsync(() -> device.clientMemory.write(iova, ByteBuffer.wrap(data)));
    }

    private static void reply(RawClient client, RawClient.Message request, Data data) {
        client.send(RawClient.message(request.id(), request.command(), Header.FLAGS_TYPE_REPLY, data.bytes()));
    }

    private static void assertGoesOn(RawClient client) {
        client.exchange(77, Command.DEVICE_GET_INFO, new Data().u32(16, 0, 0, 0).bytes())
                .isGood(77);
    }

    private static void assertFails(CompletableFuture<?> work, Errno expected) {
        assertThatThrownBy(() -> work.get(20, TimeUnit.SECONDS))
                .isInstanceOfAny(ExecutionException.class, CompletionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(expected));
    }
}
