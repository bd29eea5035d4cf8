package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.eventually;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.AbstractSet;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.linux.PeerCredentials;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class ConnectionTest {
    /** Long enough for a good client on a busy machine. */
    private static final Duration SHORT = Duration.ofMillis(500);

    static {
        // The first file channel of a JVM leaves a socket of the JDK behind, which is not to be counted.
        lines("/proc/self/maps");
    }

    @AutoClose
    final TestServer server = new TestServer();

    @Test
    void refusesASecondClientAtOnceAndServesTheFirst() {
        VfioUserClient first = server.connect();
        List<Long> times = new ArrayList<>();

        for (int attempt = 0; attempt < 21; attempt++) {
            long start = System.nanoTime();
            RawClient second = server.raw();
            assertThat(second.receive()).as("end of the connection").isNull();
            times.add(System.nanoTime() - start);
            second.close();
        }

        times.sort(null);
        assertThat(Duration.ofNanos(times.get(10))).as("median").isLessThan(Duration.ofMillis(100));
        assertAlive(first);
        assertThat(server.manager.opened).hasSize(1);
    }

    @Test
    void refusesASecondClientWhileTheFirstIsInTheDevice() throws Exception {
        VfioUserClient first = server.connect();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        server.device().beforeRead = access -> {
            inside.countDown();
            awaitQuietly(go);
        };
        CompletableFuture<Integer> read = CompletableFuture.supplyAsync(() -> first.readInt(FakeDevice.TRAPPED, 0));
        assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();

        assertThat(server.raw().receive()).isNull();

        go.countDown();
        assertThat(read.get(20, TimeUnit.SECONDS)).isZero();
    }

    /** A driver that never returns costs its device, which the core closes under the call. */
    @Test
    void endsAConnectionWhoseDeviceIsClosedUnderACallThatDoesNotReturn() {
        RawClient first = server.raw().negotiated();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        server.device().beforeRead = access -> {
            inside.countDown();
            awaitQuietly(go);
            throw new VfioException(Errno.ENODEV, "the device was failed");
        };
        first.send(
                2,
                Command.REGION_READ,
                new Data().u64(0).u32(FakeDevice.TRAPPED, 4).bytes());
        awaitQuietly(inside);

        server.device().close();

        assertThat(first.receive()).as("end of the connection").isNull();
        assertAlive(server.connect());
        assertThat(connectionThreads())
                .as("the new one, and the one that is inside")
                .isEqualTo(2);
        go.countDown();
        eventually(() -> assertThat(connectionThreads()).isEqualTo(1));
    }

    /** It is told what has become of its device until somebody else wants that. */
    @Test
    void aClientWhoseDeviceWasClosedHasItsConnectionUntilTheNextComes() {
        RawClient first = server.raw().negotiated();
        server.device().failure = new VfioException(Errno.ENODEV, "the device was failed");

        server.device().close();

        first.exchange(2, Command.DEVICE_RESET, new byte[0]).isRefused(2, Errno.ENODEV);
        assertAlive(server.connect());
        assertThat(first.receive()).as("end of the connection").isNull();
    }

    /** All of them have left when the first gives the device back; but each costs a thread until then. */
    @Test
    void refusesWhoComesWhenTooManyWaitForEachOtherToEnd() {
        RawClient first = server.raw().negotiated();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        server.device().beforeRead = access -> {
            inside.countDown();
            awaitQuietly(go);
        };
        first.send(
                2,
                Command.REGION_READ,
                new Data().u64(0).u32(FakeDevice.TRAPPED, 4).bytes());
        awaitQuietly(inside);
        first.close();
        for (int waiting = 1; waiting <= 16; waiting++) {
            int threads = waiting + 1;
            server.raw().close();
            eventually(() -> assertThat(connectionThreads()).isEqualTo(threads));
        }

        assertThat(server.raw().receive()).as("end of the connection").isNull();
        assertThat(connectionThreads()).isEqualTo(17);

        go.countDown();
        eventually(() -> assertThat(connectionThreads()).isZero());
        assertAlive(server.connect());
    }

    private static long connectionThreads() {
        return TestServer.threads().stream()
                .filter(name -> name.equals("vfio-user " + FakeManager.ADDRESS))
                .count();
    }

    /** As when there is no memory for a thread. */
    @Test
    void anErrorWhileAcceptingCostsOneClientOnly() throws Exception {
        AtomicInteger errors = new AtomicInteger(2);
        Set<Integer> uids = new AbstractSet<>() {
            @Override
            public boolean contains(Object uid) {
                if (errors.getAndDecrement() > 0) {
                    throw new OutOfMemoryError("none of the real kind");
                }
                return true;
            }

            @Override
            public Iterator<Integer> iterator() {
                throw new UnsupportedOperationException();
            }

            @Override
            public int size() {
                throw new UnsupportedOperationException();
            }
        };
        try (TestServer failing = new TestServer(Timeouts.DEFAULT, new Admission(uids))) {
            assertThat(failing.raw().receive()).as("end of the connection").isNull();
            assertThat(failing.raw().receive()).as("end of the connection").isNull();

            assertAlive(failing.connect());
        }
    }

    @Test
    void takesTheNextClientAsSoonAsTheLastHasLeft() {
        for (int round = 0; round < 50; round++) {
            server.connect().close();
        }
        assertThat(server.manager.opened).hasSize(50).allMatch(device -> device == server.device() || device.closed);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aThousandClientsLeaveNothingBehind(boolean twin) throws IOException {
        ClientOptions options = ClientOptions.DEFAULT.withTwinSocket(twin);
        MappedMemory memory = server.own(MappedMemory.allocate("guest", 8192));
        for (int warmUp = 0; warmUp < 20; warmUp++) {
            visit(options, memory);
        }
        eventually(() -> assertThat(server.device().closed).isTrue());
        List<String> threads = TestServer.threads();
        long files = entries("/proc/self/fd");
        long mappings = ownMappings();
        long allMappings = lines("/proc/self/maps");

        for (int round = 0; round < 1000; round++) {
            visit(options, memory);
        }

        eventually(() -> {
            assertThat(server.device().closed).isTrue();
            assertThat(TestServer.threads()).isEqualTo(threads);
            assertThat(entries("/proc/self/fd")).isLessThanOrEqualTo(files);
            assertThat(ownMappings()).isEqualTo(mappings);
            // The JVM itself maps a little as it compiles; one mapping in a hundred rounds would be 10.
            assertThat(lines("/proc/self/maps")).isLessThan(allMappings + 10);
        });
        assertThat(server.manager.opened).hasSize(1020).allMatch(device -> device.closed);
    }

    private void visit(ClientOptions options, MappedMemory memory) {
        try (VfioUserClient client = VfioUserClient.connect(server.path(), options);
                MappedMemory region = client.map(FakeDevice.WHOLE)) {
            client.dmaMap(0, memory, true, true);
            client.dmaMap(1 << 20, new byte[4096], true, true);
            EventFd event = client.enableIrq(PciInterrupt.MSIX, 1);
            server.device().clientMemory.read(1 << 20, ByteBuffer.allocate(4));
            region.putInt(0, 1);
            event.close();
        }
        server.manager.opened.forEach(device -> device.events.clear());
    }

    @Test
    void dropsASilentClient() throws Exception {
        try (TestServer hasty = new TestServer(new Timeouts(SHORT, SHORT))) {
            long start = System.nanoTime();
            RawClient silent = hasty.raw();

            assertThat(silent.receive()).isNull();
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThan(SHORT.dividedBy(2));
            assertThat(hasty.manager.opened).isEmpty();
            assertAlive(hasty.connect());
        }
    }

    @Test
    void dropsAClientThatStopsInsideItsFirstMessage() throws Exception {
        try (TestServer hasty = new TestServer(new Timeouts(SHORT, SHORT))) {
            RawClient client = hasty.raw();
            client.send(new byte[] {1, 0, 1});

            assertThat(client.receive()).isNull();
            assertAlive(hasty.connect());
        }
    }

    @Test
    void keepsAClientThatHasNothingToSayAfterwards() throws Exception {
        try (TestServer hasty = new TestServer(new Timeouts(SHORT, SHORT))) {
            VfioUserClient client = hasty.connect();
            CountDownLatch never = new CountDownLatch(1);

            assertThat(never.await(2 * SHORT.toMillis(), TimeUnit.MILLISECONDS)).isFalse();

            assertAlive(client);
        }
    }

    @Test
    void aLostClientFreesItsMemoryAndInterruptsAtOnce() {
        MappedMemory memory = server.own(MappedMemory.allocate("guest", 8192));
        RawClient client = server.raw().negotiated();
        int before = TestServer.descriptors();
        try (EventFd event = EventFd.create();
                var descriptor = event.duplicateDescriptor()) {
            client.exchange(
                            1,
                            Command.DMA_MAP,
                            new Data().u32(32, 3).u64(0, 0, 8192).bytes(),
                            memory.descriptor())
                    .isGood(1);
            client.exchange(
                            2,
                            Command.DEVICE_SET_IRQS,
                            new Data().u32(20, 4 | 32, PciInterrupt.MSIX, 0, 1).bytes(),
                            descriptor)
                    .isGood(2);
        }
        FakeDevice device = server.device();
        assertThat(device.mappings()).hasSize(1);
        assertThat(device.connected.get(PciInterrupt.MSIX)).hasSize(1);

        client.close();

        eventually(() -> {
            assertThat(device.closed).isTrue();
            assertThat(device.mappings()).isEmpty();
            assertThat(device.connected).isEmpty();
            assertThat(TestServer.descriptors()).isLessThan(before);
        });
    }

    @Test
    void aClientThatLeavesInsideAMessageIsGone() {
        RawClient client = server.raw().negotiated();
        client.send(new Data().u16(1, 9).u32(100, 0).bytes());

        client.close();

        eventually(() -> assertThat(server.device().closed).isTrue());
    }

    @Test
    void aClientThatDoesNotReadLosesTheDeviceWhenItSendsGarbage() {
        RawClient client = server.raw().negotiated();
        FakeDevice device = server.device();
        CompletableFuture<Void> blocked =
                CompletableFuture.runAsync(() -> device.clientMemory.write(0, ByteBuffer.allocate(1 << 20)));
        client.receive();
        CompletableFuture<Void> again = blocked.handle((result, failure) -> null)
                .thenRunAsync(() -> device.clientMemory.write(0, ByteBuffer.allocate(1 << 20)));
        client.send(RawClient.message(
                1, Command.DMA_WRITE.number(), 1, new Data().u64(0, 1 << 20).bytes()));
        eventually(() -> assertThat(blocked).isDone());

        client.send(new byte[16]);

        eventually(() -> assertThat(device.closed).isTrue());
        eventually(() -> assertThat(again).isCompletedExceptionally());
    }

    @Test
    void closingTheSocketEndsTheConnection() throws Exception {
        try (TestServer other = new TestServer()) {
            VfioUserClient client = other.connect();
            other.stop();

            assertThatThrownBy(client::info).isInstanceOf(VfioException.class);
            assertThat(other.device().closed).isTrue();
            assertThat(Files.exists(other.path())).isFalse();
        }
    }

    @Test
    void refusesUsersThatAreNotAllowed() throws Exception {
        try (TestServer picky = new TestServer(Timeouts.DEFAULT, new Admission(Set.of()))) {
            assertThatThrownBy(picky::connect).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                    .isEqualTo(Errno.ENOTCONN));
            assertThat(picky.manager.opened).isEmpty();
        }
    }

    @Test
    void admitsRootTheOwnUserAndThoseConfigured() throws IOException {
        int own = (Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        Admission admission = Admission.of(new int[] {1000, 1001});

        for (int uid : List.of(0, own, 1000, 1001)) {
            assertThat(admission.admits(new PeerCredentials(1, uid, 0)))
                    .as("uid %s", uid)
                    .isTrue();
        }
        for (int uid : List.of(1002, -1, 65_534)) {
            assertThat(admission.admits(new PeerCredentials(1, uid, 0)))
                    .as("uid %s", uid)
                    .isFalse();
        }
    }

    private static long entries(String directory) throws IOException {
        try (Stream<Path> files = Files.list(Path.of(directory))) {
            return files.count();
        }
    }

    private static long lines(String file) {
        try (Stream<String> lines = Files.lines(Path.of(file))) {
            return lines.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Shared memory that this process maps. */
    private static long ownMappings() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("/memfd:")).count();
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
