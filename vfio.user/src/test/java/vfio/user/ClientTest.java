package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.DmaHandler;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

/** What the client does beyond sending and receiving: waiting, threads, time, and its end. */
class ClientTest {
    private static final int REGION = FakeDevice.TRAPPED;

    @AutoClose
    final TestServer server = new TestServer();

    @Test
    void aReplyThatComesTooLateIsDropped() {
        VfioUserClient client = server.own(
                VfioUserClient.connect(server.path(), ClientOptions.DEFAULT.withTimeout(Duration.ofMillis(300))));
        CountDownLatch go = new CountDownLatch(1);
        server.device().memory(REGION).putInt(0, 0x0bad_0bad);
        server.device().beforeRead = access -> awaitQuietly(go);

        assertFails(Errno.ETIMEDOUT, () -> client.readInt(REGION, 0));
        go.countDown();

        assertThat(client.readInt(REGION, 4)).isZero();
        assertAlive(client);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyThreadGetsItsOwnReply(boolean twin) throws Exception {
        VfioUserClient client = server.connect(ClientOptions.DEFAULT.withTwinSocket(twin));
        List<CompletableFuture<Void>> work = new ArrayList<>();
        for (int thread = 0; thread < 12; thread++) {
            int offset = thread * 4;
            work.add(CompletableFuture.runAsync(() -> {
                for (int value = 1; value <= 500; value++) {
                    client.writeInt(REGION, offset, value * 31 + offset);
                    assertThat(client.readInt(REGION, offset)).isEqualTo(value * 31 + offset);
                }
            }));
        }
        CompletableFuture.allOf(work.toArray(CompletableFuture[]::new)).get(60, TimeUnit.SECONDS);
    }

    @Test
    void closeWakesThoseWhoWait() throws Exception {
        VfioUserClient client = server.connect();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        server.device().beforeRead = access -> {
            inside.countDown();
            awaitQuietly(go);
        };
        CompletableFuture<Integer> first = CompletableFuture.supplyAsync(() -> client.readInt(REGION, 0));
        assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();
        CompletableFuture<Integer> second = CompletableFuture.supplyAsync(() -> client.readInt(REGION, 4));

        client.close();
        client.close();

        for (CompletableFuture<Integer> each : List.of(first, second)) {
            assertThatThrownBy(() -> each.get(20, TimeUnit.SECONDS))
                    .cause()
                    .isInstanceOfSatisfying(
                            VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOTCONN));
        }
        go.countDown();
        assertFails(Errno.ENOTCONN, client::info);
    }

    @Test
    void aServerThatLeavesFailsEverything() {
        VfioUserClient client = server.connect();

        server.stop();

        assertFails(Errno.ENOTCONN, client::info);
        assertFails(Errno.ENOTCONN, () -> client.writeRegisterPosted(REGION, 0, 4, 1));
    }

    @Test
    void anInterruptedThreadStopsWaiting() throws Exception {
        VfioUserClient client = server.connect();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        server.device().beforeRead = access -> {
            inside.countDown();
            awaitQuietly(go);
        };
        CompletableFuture<Integer> receiving = CompletableFuture.supplyAsync(() -> client.readInt(REGION, 0));
        assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread waiting = new Thread(() -> {
            try {
                client.readInt(REGION, 4);
            } catch (VfioException e) {
                failure.set(e);
            }
        });
        waiting.start();

        waiting.interrupt();
        waiting.join(20_000);
        go.countDown();

        assertThat(failure.get()).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(Errno.ECANCELED));
        assertThat(receiving.get(20, TimeUnit.SECONDS)).isZero();
        assertAlive(client);
    }

    @Test
    void aHandlerMayUseTheClientButNotCloseIt() {
        AtomicReference<VfioUserClient> self = new AtomicReference<>();
        List<Throwable> failures = new ArrayList<>();
        VfioUserClient client = server.connect(ClientOptions.DEFAULT.withDmaHandler(new DmaHandler() {
            @Override
            public void read(long iova, ByteBuffer destination) {
                destination.putInt(self.get().readInt(REGION, iova));
            }

            @Override
            public void write(long iova, ByteBuffer source) {
                try {
                    self.get().close();
                } catch (VfioException e) {
                    failures.add(e);
                }
            }
        }));
        self.set(client);
        client.writeInt(REGION, 8, 0x1234_5678);
        ByteBuffer destination = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);

        server.device().clientMemory.read(8, destination);
        server.device().clientMemory.write(8, ByteBuffer.allocate(4));

        assertThat(destination.getInt(0)).isEqualTo(0x1234_5678);
        assertThat(failures).hasSize(1);
        assertAlive(client);
    }

    @Test
    void aDefectOfAHandlerIsTheServersError() {
        VfioUserClient client = server.connect(ClientOptions.DEFAULT.withDmaHandler(new DmaHandler() {
            @Override
            public void read(long iova, ByteBuffer destination) {
                throw new IllegalStateException("defect, provoked by a test");
            }

            @Override
            public void write(long iova, ByteBuffer source) {
                source.get(new byte[source.remaining()]);
            }
        }));

        assertFails(Errno.EFAULT, () -> server.device().clientMemory.read(8, ByteBuffer.allocate(4)));
        server.device().clientMemory.write(8, ByteBuffer.allocate(4));
        assertAlive(client);
    }

    @Test
    void refusesToMapWhatIsNotOffered() {
        VfioUserClient client = server.connect();

        assertFails(Errno.EINVAL, () -> client.map(REGION));
        assertFails(Errno.EINVAL, () -> client.map(FakeDevice.SPARSE));
        assertFails(Errno.EINVAL, () -> client.map(FakeDevice.SPARSE, SparseArea.direct(0x1000, 0x2000)));
        assertFails(Errno.EINVAL, () -> client.map(FakeDevice.SPARSE, SparseArea.direct(0x8000, 0x1000)));
        assertFails(Errno.EINVAL, () -> client.map(FakeDevice.SPARSE, SparseArea.direct(0x1000, 0)));
        assertFails(Errno.EINVAL, () -> client.map(FakeDevice.SPARSE, SparseArea.direct(0x1000, Long.MIN_VALUE)));
        assertAlive(client);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 5, 16, -1, Integer.MIN_VALUE})
    void refusesARegisterOfAnotherWidth(int width) {
        VfioUserClient client = server.connect();

        assertFails(Errno.EINVAL, () -> client.readRegister(REGION, 0, width));
        assertFails(Errno.EINVAL, () -> client.writeRegister(REGION, 0, width, 0));
        assertThat(server.device().events).isEmpty();
    }

    @Test
    void refusesAMessageThatIsTooLong() {
        VfioUserClient client = server.connect();

        assertFails(
                Errno.EMSGSIZE,
                () -> client.request(Command.REGION_WRITE.number(), new byte[(1 << 20) + 100], List.of()));
        assertAlive(client);
    }

    @Test
    void refusesOptionsThatCannotBe() {
        assertThatThrownBy(() -> ClientOptions.DEFAULT.withMinor(65_536)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ClientOptions.DEFAULT.withMaxDataXferSize(0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ClientOptions.DEFAULT.withTimeout(Duration.ZERO))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void saysWhenNobodyListens() {
        assertFails(Errno.ENOENT, () -> VfioUserClient.connect(server.path().resolveSibling("other.sock")));
    }

    static void assertFails(Errno expected, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(expected));
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
