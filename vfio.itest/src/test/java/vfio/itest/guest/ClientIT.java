package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.ClientOptions;
import vfio.user.client.DmaHandler;
import vfio.user.client.VfioUserClient;

/** The distribution, used through the client library: interrupts, DMA, and what clients leave behind. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(120)
class ClientIT {
    private static final Logger LOGGER = System.getLogger(ClientIT.class.getName());

    private static final String VF = "0000:03:02.0";
    private static final String EDU = "0000:00:04.0";
    private static final String OTHER_EDU = "0000:00:05.0";

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 2 },
              "vfio.sim.edu~first": { "address": "0000:00:04.0" },
              "vfio.sim.edu~other": { "address": "0000:00:05.0" }
            }
            """;

    /** VFINT_DYN_CTL01 of the VF, its bits INTENA and SWINT_TRIG; VFINT_ICR01 and its bits SWINT and INTEVENT. */
    private static final long DYN_CTL01 = 0x5c00;

    private static final int ENABLE_AND_TRIGGER = 0x5;
    private static final long ICR01 = 0x4800;
    private static final int SOFTWARE_INTERRUPT = 0x8000_0001;

    private static final long PENDING_BITS = 0x2000;

    private static final long IOVA = 0x10_0000;
    private static final int MEMORY_SIZE = 1 << 20;
    private static final Duration SOON = Duration.ofSeconds(5);

    private RuntimeProcess runtime;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> runtime);

    @BeforeAll
    void start() throws IOException {
        runtime = RuntimeProcess.start("client", configuration("client"));
    }

    @AfterAll
    void stop() {
        if (runtime != null) {
            runtime.close();
        }
    }

    @Test
    void messageSignalledInterruptReachesItsEventfd() {
        try (VfioUserClient client = VfioUserClient.connect(runtime.socket(VF))) {
            client.reset();
            try (EventFd first = client.enableIrq(PciInterrupt.MSIX, 0);
                    EventFd second = client.enableIrq(PciInterrupt.MSIX, 1)) {
                trigger(client);

                assertThat(first.await(SOON)).isTrue();
                assertThat(first.drain()).isOne();
                assertThat(second.drain()).isZero();
                assertThat(client.readInt(PciRegion.BAR0, ICR01)).isEqualTo(SOFTWARE_INTERRUPT);
                assertThat(client.readInt(PciRegion.BAR0, ICR01)).isZero();
            }
        }
    }

    @Test
    void maskedMessageSignalledInterruptStaysPending() {
        try (VfioUserClient client = VfioUserClient.connect(runtime.socket(VF))) {
            client.reset();
            try (EventFd event = client.enableIrq(PciInterrupt.MSIX, 0)) {
                client.setIrqs(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
                trigger(client);

                assertThat(client.readLong(PciRegion.BAR3, PENDING_BITS)).isOne();
                assertThat(event.drain()).isZero();

                client.setIrqs(PciInterrupt.MSIX, InterruptAction.UNMASK, 0, 1);

                assertThat(event.await(SOON)).isTrue();
                assertThat(event.drain()).isOne();
                assertThat(client.readLong(PciRegion.BAR3, PENDING_BITS)).isZero();
            }
        }
    }

    @Test
    void disconnectedVectorIsSilent() {
        try (VfioUserClient client = VfioUserClient.connect(runtime.socket(VF))) {
            client.reset();
            try (EventFd event = client.enableIrq(PciInterrupt.MSIX, 0)) {
                client.disableIrqs(PciInterrupt.MSIX);
                trigger(client);

                assertThat(client.readInt(PciRegion.BAR0, ICR01)).isEqualTo(SOFTWARE_INTERRUPT);
                assertThat(event.drain()).isZero();
                assertThat(client.readLong(PciRegion.BAR3, PENDING_BITS)).isZero();
            }
        }
    }

    @Test
    void lineInterruptReachesItsEventfdAndMasksItself() {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU));
                EventFd event = edu.client().enableIrq(PciInterrupt.INTX, 0)) {
            edu.write(EduClient.INTERRUPT_RAISE, 0x2);

            assertThat(event.await(SOON)).isTrue();
            assertThat(event.drain()).isOne();
            assertThat(edu.read(EduClient.INTERRUPT_STATUS)).isEqualTo(0x2);

            edu.write(EduClient.INTERRUPT_RAISE, 0x4);
            assertThat(event.drain()).as("masked since it was delivered").isZero();
            edu.client().setIrqs(PciInterrupt.INTX, InterruptAction.UNMASK, 0, 1);
            assertThat(event.drain()).as("the device still requests it").isOne();

            edu.write(EduClient.INTERRUPT_ACKNOWLEDGE, 0x6);
            edu.client().setIrqs(PciInterrupt.INTX, InterruptAction.UNMASK, 0, 1);
            assertThat(event.drain()).as("nothing is requested").isZero();
        }
    }

    @Test
    void maskedLineInterruptIsDeliveredAtUnmask() {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU));
                EventFd event = edu.client().enableIrq(PciInterrupt.INTX, 0)) {
            edu.client().setIrqs(PciInterrupt.INTX, InterruptAction.MASK, 0, 1);
            edu.write(EduClient.INTERRUPT_RAISE, 0x1);
            assertThat(event.drain()).isZero();

            edu.client().setIrqs(PciInterrupt.INTX, InterruptAction.UNMASK, 0, 1);

            assertThat(event.await(SOON)).isTrue();
            assertThat(event.drain()).isOne();
        }
    }

    @Test
    void deviceReachesSharedMemory() {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU));
                MappedMemory memory = MappedMemory.allocate("client memory", MEMORY_SIZE)) {
            edu.client().dmaMap(IOVA, memory, true, true);
            byte[] content = content(1, EduClient.BUFFER_SIZE);
            memory.put(0x3f80, ByteBuffer.wrap(content));

            assertThat(edu.fetch(IOVA + 0x3f80, content.length)).isEqualTo(content);

            byte[] written = content(2, 1234);
            edu.store(IOVA + MEMORY_SIZE - 1234, written);

            byte[] end = new byte[1300];
            memory.get(MEMORY_SIZE - end.length, ByteBuffer.wrap(end));
            assertThat(Arrays.copyOfRange(end, 0, 66)).containsOnly(0);
            assertThat(Arrays.copyOfRange(end, 66, 1300)).isEqualTo(written);
        }
    }

    @Test
    void deviceReachesMemoryByMessages() {
        reachMemoryByMessages(ClientOptions.DEFAULT);
    }

    @Test
    void deviceReachesMemoryByMessagesOverTwinSocket() {
        reachMemoryByMessages(ClientOptions.DEFAULT.withTwinSocket(true));
    }

    @Test
    void deviceReachesMemoryByMessagesInSmallPieces() {
        reachMemoryByMessages(ClientOptions.DEFAULT.withMaxDataXferSize(100));
    }

    @Test
    void deviceDoesNotReachWhatIsNotMapped() {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU));
                MappedMemory memory = MappedMemory.allocate("client memory", MEMORY_SIZE)) {
            edu.client().dmaMap(IOVA, memory, true, false);

            edu.startStore(IOVA, content(3, 64));
            assertThat(edu.succeeds())
                    .as("a write to memory that may only be read")
                    .isFalse();
            edu.startFetch(IOVA + MEMORY_SIZE - 32, 64);
            assertThat(edu.succeeds()).as("a read beyond the mapping").isFalse();

            edu.client().dmaUnmap(IOVA, MEMORY_SIZE);
            edu.startFetch(IOVA, 64);
            assertThat(edu.succeeds()).as("a read after the unmap").isFalse();
        }
    }

    @Test
    void twoDevicesWorkAtOnce() throws Exception {
        CyclicBarrier together = new CyclicBarrier(2);
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            Future<?> first = threads.submit(() -> transferManyTimes(EDU, 11, together));
            Future<?> other = threads.submit(() -> transferManyTimes(OTHER_EDU, 12, together));
            first.get(60, TimeUnit.SECONDS);
            other.get(60, TimeUnit.SECONDS);
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void deviceIsForOneClientAtTime() {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU))) {
            long start = System.nanoTime();
            assertThatThrownBy(() -> VfioUserClient.connect(runtime.socket(EDU)).close())
                    .isInstanceOf(VfioException.class)
                    .extracting(failure -> ((VfioException) failure).errno())
                    .isIn(Errno.ENOTCONN, Errno.ECONNRESET, Errno.EPIPE);
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(1));
            assertThat(edu.read(0)).isEqualTo(0x0100_00ed);
        }
    }

    @Test
    void clientThatTruncatesItsMemoryLosesItsDmaOnly() throws Exception {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU));
                EduClient other = EduClient.connect(runtime.socket(OTHER_EDU));
                UnsealedFile file = UnsealedFile.create(MEMORY_SIZE);
                MappedMemory good = MappedMemory.allocate("client memory", MEMORY_SIZE);
                MappedMemory others = MappedMemory.allocate("other client's memory", MEMORY_SIZE)) {
            edu.client().dmaMap(IOVA, file.memory(), true, true);
            edu.client().dmaMap(IOVA + MEMORY_SIZE, good, true, true);
            other.client().dmaMap(IOVA, others, true, true);
            byte[] content = content(4, EduClient.BUFFER_SIZE);
            edu.store(IOVA, content);
            assertThat(edu.fetch(IOVA, content.length)).isEqualTo(content);

            file.truncate();

            edu.startFetch(IOVA, content.length);
            assertThat(edu.succeeds()).as("a read of memory that is gone").isFalse();
            edu.startStore(IOVA, content);
            assertThat(edu.succeeds()).as("a write to memory that is gone").isFalse();
            for (EduClient unharmed : List.of(edu, other)) {
                long place = unharmed == edu ? IOVA + MEMORY_SIZE : IOVA;
                unharmed.store(place, content);
                assertThat(unharmed.fetch(place, content.length)).isEqualTo(content);
            }
        }
    }

    @Test
    @Order(Integer.MAX_VALUE - 1)
    void thousandClientsLeaveNothingBehind() {
        for (int round = 0; round < 200; round++) {
            useAndLeave(round);
        }
        awaitFree();
        ProcessFigures before = ProcessFigures.of(runtime.pid());
        Map<String, Long> kinds = ProcessFigures.descriptorKinds(runtime.pid());

        for (int round = 0; round < 1000; round++) {
            useAndLeave(round);
        }

        awaitFree();
        ProcessFigures after = ProcessFigures.of(runtime.pid());
        LOGGER.log(Level.INFO, "before 1000 clients: {0}, after: {1}", before, after);
        // The connection of the administrator who asked last may still be about to be closed.
        Awaitility.await("no more descriptors than before")
                .untilAsserted(() -> assertThat(ProcessFigures.descriptorKinds(runtime.pid()))
                        .allSatisfy((kind, count) ->
                                assertThat(count).as(kind).isLessThanOrEqualTo(kinds.getOrDefault(kind, 0L))));
        assertThat(after.threads()).isLessThanOrEqualTo(before.threads());
        // A JVM maps a few areas of its own now and then: code, heap, arenas. One in ten clients would be 100.
        assertThat(after.mappings()).isLessThan(before.mappings() + 50);
        assertThat(ProcessFigures.mappedParts(runtime.pid(), "client memory")).isEmpty();
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void runtimeSawNoError() {
        assertThat(runtime.errors()).isEmpty();
    }

    @Test
    void runtimeEndsInTimeWhileClientsAreThere() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch never = new CountDownLatch(1);
        DmaHandler silent = new DmaHandler() {
            @Override
            public void read(long iova, ByteBuffer destination) {
                asked.countDown();
                awaitEver(never);
            }

            @Override
            public void write(long iova, ByteBuffer source) {
                throw new AssertionError("nothing was to be written");
            }
        };
        try (RuntimeProcess ending = RuntimeProcess.start("client-ending", configuration("client-ending"));
                EduClient edu = EduClient.connect(ending.socket(EDU), ClientOptions.DEFAULT.withDmaHandler(silent));
                VfioUserClient idle = VfioUserClient.connect(ending.socket(VF))) {
            edu.client().dmaMap(IOVA, MEMORY_SIZE, true, true);
            edu.startFetch(IOVA, 64);
            assertThat(asked.await(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();

            RuntimeProcess.End end = ending.terminate(Duration.ofSeconds(10));

            never.countDown();
            LOGGER.log(Level.INFO, "ended with clients after {0}", end);
            assertThat(end.took()).isLessThanOrEqualTo(Duration.ofSeconds(2));
            assertThat(end.status()).isZero();
            assertThat(ending.socketNames()).isEmpty();
            assertThat(ending.errors()).isEmpty();
            assertThatThrownBy(() -> idle.readInt(PciRegion.BAR0, ICR01)).isInstanceOf(VfioException.class);
        }
    }

    /** Neither the client, which does not answer, nor the command that waits for it holds up the end. */
    @Test
    void runtimeEndsInTimeWhileClientIsAskedForItsDevice() throws Exception {
        try (RuntimeProcess ending = RuntimeProcess.start("client-asked", configuration("client-asked"));
                VfioUserClient stubborn = VfioUserClient.connect(ending.socket(VF));
                EventFd request = stubborn.enableIrq(PciInterrupt.REQ, 0)) {
            CompletableFuture<Command.Result> removal =
                    CompletableFuture.supplyAsync(() -> ending.tryExec("sim:remove 3:2.0"));
            assertThat(request.await(Duration.ofSeconds(30))).isTrue();

            RuntimeProcess.End end = ending.terminate(Duration.ofSeconds(10));

            LOGGER.log(Level.INFO, "ended while a client was being asked after {0}", end);
            assertThat(end.took()).isLessThanOrEqualTo(Duration.ofSeconds(2));
            assertThat(end.status()).isZero();
            assertThat(ending.socketNames()).isEmpty();
            assertThat(ending.errors()).isEmpty();
            removal.get(30, TimeUnit.SECONDS);
        }
    }

    private void reachMemoryByMessages(ClientOptions options) {
        try (EduClient edu = EduClient.connect(runtime.socket(EDU), options)) {
            byte[] memory = content(5, MEMORY_SIZE);
            edu.client().dmaMap(IOVA, memory, true, true);

            assertThat(edu.fetch(IOVA + 0x1234, EduClient.BUFFER_SIZE))
                    .isEqualTo(Arrays.copyOfRange(memory, 0x1234, 0x1234 + EduClient.BUFFER_SIZE));

            byte[] expected = memory.clone();
            byte[] written = content(6, 777);
            System.arraycopy(written, 0, expected, 0xffc00, written.length);
            edu.store(IOVA + 0xffc00, written);
            assertThat(memory).isEqualTo(expected);
        }
    }

    /** Moves data through a device's buffer and back to another place, each time different data. */
    private Void transferManyTimes(String address, int seed, CyclicBarrier together) throws Exception {
        try (EduClient edu = EduClient.connect(runtime.socket(address));
                MappedMemory memory = MappedMemory.allocate("memory for " + address, MEMORY_SIZE)) {
            edu.client().dmaMap(IOVA, memory, true, true);
            together.await(SOON.toSeconds(), TimeUnit.SECONDS);
            for (int round = 0; round < 200; round++) {
                byte[] content = content(seed * 1000 + round, EduClient.BUFFER_SIZE);
                memory.put(0, ByteBuffer.wrap(content));
                assertThat(edu.fetch(IOVA, content.length)).isEqualTo(content);
                edu.store(IOVA + 0x8000, content);
                byte[] arrived = new byte[content.length];
                memory.get(0x8000, ByteBuffer.wrap(arrived));
                assertThat(arrived).isEqualTo(content);
            }
        }
        return null;
    }

    /** A client that uses all that costs the runtime something, and leaves without giving any of it back. */
    private void useAndLeave(int round) {
        boolean twin = round % 2 == 1;
        try (EduClient edu = EduClient.connect(runtime.socket(EDU), ClientOptions.DEFAULT.withTwinSocket(twin));
                EventFd line = edu.client().enableIrq(PciInterrupt.INTX, 0);
                MappedMemory memory = MappedMemory.allocate("client memory", MEMORY_SIZE)) {
            edu.client().dmaMap(IOVA, memory, true, true);
            edu.client().dmaMap(IOVA + MEMORY_SIZE, new byte[EduClient.BUFFER_SIZE], true, true);
            edu.store(IOVA + MEMORY_SIZE, content(round, 64));
            edu.write(EduClient.INTERRUPT_RAISE, 1);
            assertThat(line.drain()).isOne();
        }
    }

    private void awaitFree() {
        Awaitility.await("the last client is gone").atMost(SOON).until(() -> runtime.user(EDU)
                .equals("nobody"));
    }

    private static void trigger(VfioUserClient client) {
        client.writeInt(PciRegion.BAR0, DYN_CTL01, ENABLE_AND_TRIGGER);
    }

    private static void awaitEver(CountDownLatch never) {
        try {
            never.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static byte[] content(int seed, int size) {
        byte[] content = new byte[size];
        new Random(seed).nextBytes(content);
        return content;
    }

    private static Path configuration(String name) throws IOException {
        Path etc = Places.emptyFolder("etc", name);
        Files.writeString(etc.resolve("bus.json"), BUS);
        return etc;
    }
}
