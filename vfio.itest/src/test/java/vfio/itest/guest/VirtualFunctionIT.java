package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.iavf.TransmitOffload.Network.IPV4_CHECKSUM;
import static vfio.iavf.TransmitOffload.Network.IPV6;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.iavf.DriverOptions;
import vfio.iavf.GuestMemory;
import vfio.iavf.LinkState;
import vfio.iavf.MacAddress;
import vfio.iavf.Message;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.iavf.Resources;
import vfio.iavf.Statistics;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;
import vfio.iavf.VfRegister;
import vfio.iavf.Virtchnl;
import vfio.iavf.VirtualFunctionDriver;

/** Virtual functions of a simulated XL710 in the distribution, driven by a strict driver over real sockets. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(120)
class VirtualFunctionIT {
    private static final Logger LOGGER = System.getLogger(VirtualFunctionIT.class.getName());

    private static final String FIRST = "0000:03:02.0";
    private static final String SECOND = "0000:03:02.1";
    private static final String THIRD = "0000:03:02.2";

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 4 }
            }
            """;

    private static final QueueSettings JUMBO = QueueSettings.DEFAULT.withMtu(9702);
    private static final int LONGEST_FRAME = 9724;
    private static final int UNKNOWN_OPCODE = 9999;
    private static final long ELSEWHERE = 0x7f_0000_0000L;
    private static final byte CANARY = 0x5c;
    private static final Duration SOON = Duration.ofSeconds(10);

    private RuntimeProcess runtime;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> runtime);

    @BeforeAll
    void start() throws IOException {
        Path etc = Places.emptyFolder("etc", "virtual-function");
        Files.writeString(etc.resolve("bus.json"), BUS);
        runtime = RuntimeProcess.start("virtual-function", etc);
    }

    @AfterAll
    void stop() {
        if (runtime != null) {
            runtime.close();
        }
    }

    @ParameterizedTest
    @EnumSource
    void functionComesUp(RegisterPath path) {
        long start = System.nanoTime();
        try (Station station = Station.probe(runtime.socket(FIRST), DriverOptions.DEFAULT.withRegisters(path))) {
            Resources resources = station.driver().resources();
            station.driver().open(QueueSettings.DEFAULT.withPairs(resources.queuePairs()));
            LOGGER.log(
                    Level.INFO,
                    "up in {0} ms, {1}: {2}",
                    Duration.ofNanos(System.nanoTime() - start).toMillis(),
                    path,
                    resources);
            assertThat(station.driver().link()).isEqualTo(new LinkState(true, 40_000));
            assertThat(resources.is(Virtchnl.VF_OFFLOAD_RSS_PF)).isTrue();
            station.driver().stop();
            station.driver().open(QueueSettings.DEFAULT);
            assertThat(station.driver().link().up()).isTrue();
        }
    }

    @Test
    void requestsThatMakeNoSenseAreAnswered() {
        try (Station station = Station.probe(runtime.socket(FIRST), DriverOptions.DEFAULT)) {
            VirtualFunctionDriver driver = station.driver();
            assertThat(status(driver, UNKNOWN_OPCODE, 0)).isEqualTo(Virtchnl.STATUS_ERR_NOT_SUPPORTED);
            assertThat(status(driver, 4, 24)).isEqualTo(Virtchnl.STATUS_ERR_NOT_SUPPORTED);
            for (int opcode : new int[] {
                Virtchnl.CONFIG_VSI_QUEUES,
                Virtchnl.CONFIG_IRQ_MAP,
                Virtchnl.ENABLE_QUEUES,
                Virtchnl.DISABLE_QUEUES,
                Virtchnl.ADD_ETH_ADDR,
                Virtchnl.DEL_ETH_ADDR,
                Virtchnl.CONFIG_PROMISCUOUS_MODE,
                Virtchnl.GET_STATS,
                Virtchnl.CONFIG_RSS_KEY,
                Virtchnl.CONFIG_RSS_LUT
            }) {
                assertThat(status(driver, opcode, 1))
                        .as("request %d of 1 byte", opcode)
                        .isEqualTo(Virtchnl.STATUS_ERR_PARAM);
                assertThat(status(driver, opcode, 200))
                        .as("request %d for VSI 0", opcode)
                        .isEqualTo(Virtchnl.STATUS_ERR_PARAM);
            }
            driver.open(QueueSettings.DEFAULT);
        }
    }

    @ParameterizedTest
    @MethodSource("waysToDrive")
    void framesOfAllSizesArriveBothWays(DriverOptions options) {
        try (Station first = Station.open(runtime.socket(FIRST), options, JUMBO);
                Station second = Station.open(runtime.socket(SECOND), options, JUMBO)) {
            // Each size once with all boundaries in it, or the daily round takes too long.
            int step = options.registers() == RegisterPath.TRAPPED ? 1 : 7;
            for (int size = Packet.MAC_LENGTH; size <= LONGEST_FRAME; size += step) {
                exchange(first, second, size);
            }
            exchange(first, second, LONGEST_FRAME);
            assertQuiet(first, second);
        }
    }

    static Stream<Arguments> waysToDrive() {
        return Stream.of(
                Arguments.of(DriverOptions.DEFAULT),
                Arguments.of(DriverOptions.DEFAULT.withRegisters(RegisterPath.POSTED)),
                Arguments.of(DriverOptions.DEFAULT.withRegisters(RegisterPath.MAPPED)),
                Arguments.of(
                        DriverOptions.DEFAULT.withRegisters(RegisterPath.MAPPED).withInterrupts(false)),
                Arguments.of(DriverOptions.DEFAULT.withInterrupts(false)));
    }

    @ParameterizedTest
    @EnumSource
    void orderAndContentsAreKept(RegisterPath path) {
        DriverOptions options = DriverOptions.DEFAULT.withRegisters(path);
        try (Station first = open(FIRST, options);
                Station second = open(SECOND, options)) {
            int number = 0;
            for (int round = 0; round < 200; round++) {
                int burst = 1 + round * 37 % 400;
                for (int frame = 0; frame < burst; frame++) {
                    first.post(Packet.plain(second.mac(), first.mac(), size(number), number), TransmitOffload.NONE);
                    number++;
                }
                first.driver().transmitQueue(0).kick();
                int expected = number - burst;
                for (byte[] frame : second.receive(burst)) {
                    assertThat(frame).isEqualTo(Packet.plain(second.mac(), first.mac(), size(expected), expected));
                    expected++;
                }
                first.driver().transmitQueue(0).checkUntouched();
                // Or the next burst may overtake the posted write of the tail, over the other connection.
                second.driver().registers().read(VfRegister.VFGEN_RSTAT);
            }
            first.awaitSent();
            assertQuiet(first, second);
        }
    }

    @Test
    void framesReachWhomTheyAreFor() {
        try (Station first = open(FIRST);
                Station second = open(SECOND);
                Station third = open(THIRD)) {
            byte[] toSecond = Packet.plain(second.mac(), first.mac(), 100, 1);
            first.send(toSecond);
            assertThat(second.receiveOne()).isEqualTo(toSecond);
            assertQuiet(first, second, third);

            byte[] toAll = Packet.plain(MacAddress.BROADCAST, second.mac(), 100, 2);
            second.send(toAll);
            assertThat(first.receiveOne()).isEqualTo(toAll);
            assertThat(third.receiveOne()).isEqualTo(toAll);
            assertQuiet(first, second, third);

            first.send(Packet.plain(MacAddress.random(), first.mac(), 100, 3));
            first.send(Packet.plain(first.mac(), first.mac(), 100, 4));
            assertQuiet(second, third);
        }
    }

    @Test
    void addressesAreAddedAndDeleted() {
        MacAddress group = new MacAddress(0x0100_5e00_00fbL);
        MacAddress extra = new MacAddress(0x02aa_bbcc_ddeeL);
        try (Station first = open(FIRST);
                Station second = open(SECOND);
                Station third = open(THIRD)) {
            byte[] toGroup = Packet.plain(group, first.mac(), 200, 1);
            byte[] toExtra = Packet.plain(extra, first.mac(), 200, 2);
            first.send(toGroup);
            first.send(toExtra);
            assertQuiet(first, second, third);

            second.driver().addAddress(group);
            third.driver().addAddress(group);
            second.driver().addAddress(extra);
            first.send(toGroup);
            first.send(toExtra);
            assertThat(second.receive(2)).containsExactly(toGroup, toExtra);
            assertThat(third.receiveOne()).isEqualTo(toGroup);
            assertQuiet(first, second, third);

            second.driver().deleteAddress(group);
            second.driver().deleteAddress(extra);
            first.send(toGroup);
            first.send(toExtra);
            assertThat(third.receiveOne()).isEqualTo(toGroup);
            assertQuiet(first, second, third);
        }
    }

    @Test
    void promiscuousFunctionReceivesWhatIsForNobody() {
        try (Station first = open(FIRST);
                Station second = open(SECOND);
                Station third = open(THIRD)) {
            byte[] toNobody = Packet.plain(MacAddress.random(), first.mac(), 300, 1);
            byte[] toGroup = Packet.plain(new MacAddress(0x3333_0000_0001L), first.mac(), 300, 2);
            third.driver().promiscuous(true, false);
            first.send(toNobody);
            first.send(toGroup);
            assertThat(third.receiveOne()).isEqualTo(toNobody);
            assertQuiet(first, second, third);

            third.driver().promiscuous(false, true);
            first.send(toNobody);
            first.send(toGroup);
            assertThat(third.receiveOne()).isEqualTo(toGroup);
            assertQuiet(first, second, third);

            third.driver().promiscuous(false, false);
            first.send(toNobody);
            first.send(toGroup);
            assertQuiet(first, second, third);
        }
    }

    @Test
    void flowsSpreadOverQueuesAndStayThere() {
        try (Station first = open(FIRST);
                Station second = Station.probe(runtime.socket(SECOND), DriverOptions.DEFAULT)) {
            int queues = second.driver().resources().queuePairs();
            assertThat(queues).isGreaterThan(1);
            second.driver().open(QueueSettings.DEFAULT.withPairs(queues));
            int flows = 64;
            int[] queueOfFlow = new int[flows];
            int[] hashOfFlow = new int[flows];
            int[] used = new int[queues];
            for (int round = 0; round < 3; round++) {
                for (int flow = 0; flow < flows; flow++) {
                    first.send(Packet.transport(second.mac(), first.mac(), 4, Packet.UDP, 100, flow));
                    int queue = awaitQueue(second, queues);
                    int expected = flow;
                    int before = round;
                    second.receive(queue, 1, frame -> {
                        assertThat(frame.hasHash()).isTrue();
                        assertThat(frame.getShort(Packet.MAC_LENGTH + Packet.IPV4_LENGTH))
                                .isEqualTo(1024 + expected);
                        if (before == 0) {
                            hashOfFlow[expected] = frame.hash();
                        }
                        assertThat(frame.hash()).isEqualTo(hashOfFlow[expected]);
                        assertThat(frame.hash() & 63).satisfies(entry -> assertThat(entry % queues)
                                .as("the table has queue i modulo %d at i", queues)
                                .isEqualTo(queue));
                    });
                    if (round == 0) {
                        queueOfFlow[flow] = queue;
                        used[queue]++;
                    }
                    assertThat(queue).as("flow %d", flow).isEqualTo(queueOfFlow[flow]);
                }
            }
            assertThat(used).as("flows on each queue").doesNotContain(0);

            byte[] table = new byte[second.driver().resources().rssLutSize()];
            Arrays.fill(table, (byte) (queues - 1));
            second.driver().rssLookupTable(table);
            for (int flow = 0; flow < flows; flow++) {
                first.send(Packet.transport(second.mac(), first.mac(), 6, Packet.TCP, 100, flow));
            }
            second.receive(
                    queues - 1, flows, frame -> assertThat(frame.hasHash()).isTrue());
        }
    }

    @Test
    void statisticsAgreeWithWhatWasSent() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            second.driver().addAddress(new MacAddress(0x0100_5e00_0001L));
            Statistics firstBefore = first.driver().statistics();
            Statistics secondBefore = second.driver().statistics();
            long bytes = 0;
            for (int number = 0; number < 30; number++) {
                MacAddress destination =
                        switch (number % 6) {
                            case 0, 1, 2 -> second.mac();
                            case 3, 4 -> new MacAddress(0x0100_5e00_0001L);
                            default -> MacAddress.BROADCAST;
                        };
                byte[] frame = Packet.plain(destination, first.mac(), 30 + number * 40, number);
                bytes += Packet.padded(frame).length;
                first.send(frame);
            }
            second.receive(30);
            first.awaitSent();

            Statistics sent = first.driver().statistics().since(firstBefore);
            Statistics received = second.driver().statistics().since(secondBefore);
            LOGGER.log(Level.INFO, "{0} bytes: {1}, {2}", bytes, sent, received);
            assertThat(sent).isEqualTo(new Statistics(0, 0, 0, 0, 0, 0, bytes, 15, 10, 5, 0, 0));
            assertThat(received).isEqualTo(new Statistics(bytes, 15, 10, 5, 0, 0, 0, 0, 0, 0, 0, 0));
        }
    }

    @Test
    void framesForFullRingAreDiscardedAndCounted() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            Statistics before = second.driver().statistics();
            int ring = QueueSettings.DEFAULT.ringSize();
            for (int number = 0; number < ring + 89; number++) {
                first.send(Packet.plain(second.mac(), first.mac(), 100, number));
            }
            first.awaitSent();

            Statistics counted = second.driver().statistics().since(before);
            assertThat(counted.receiveDiscards()).isEqualTo(90);
            assertThat(counted.receivedUnicast()).isEqualTo(ring - 1);
            int expected = 0;
            for (byte[] frame : second.receive(ring - 1)) {
                assertThat(frame).isEqualTo(Packet.plain(second.mac(), first.mac(), 100, expected++));
            }
            assertQuiet(second);
            byte[] later = Packet.plain(second.mac(), first.mac(), 100, 7);
            first.send(later);
            assertThat(second.receiveOne()).isEqualTo(later);
        }
    }

    @Test
    void checksumsAreInserted() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            for (int version : new int[] {4, 6}) {
                for (int protocol : new int[] {Packet.TCP, Packet.UDP}) {
                    for (int length = 0; length < 1400; length += 13) {
                        byte[] finished =
                                Packet.transport(second.mac(), first.mac(), version, protocol, length, length);
                        first.send(Packet.unfinished(finished, false), offload(version, protocol));
                        byte[] expected = Packet.padded(finished);
                        second.receive(0, 1, frame -> {
                            assertThat(frame.toArray()).isEqualTo(expected);
                            assertThat(frame.hasChecksumError()).isFalse();
                        });
                        assertThat(finished).satisfies(frame -> assertThat(Packet.isSound(frame))
                                .isTrue());
                    }
                }
            }
        }
    }

    @Test
    void wrongChecksumsAreNotReportedAsGood() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            for (int version : new int[] {4, 6}) {
                byte[] frame = Packet.transport(second.mac(), first.mac(), version, Packet.TCP, 100, 5);
                frame[frame.length - 1] ^= 0x40;
                first.send(frame);
                second.receive(0, 1, seen -> {
                    assertThat(seen.toArray()).isEqualTo(frame);
                    assertThat(seen.isProcessed() && !seen.hasChecksumError() && isTransportType(seen.packetType()))
                            .as("reported as good")
                            .isFalse();
                });
            }
        }
    }

    @Test
    void longTcpFramesAreCutIntoSegments() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            GuestMemory memory = first.driver().memory();
            long place = memory.allocate(1 << 17, 4096);
            for (int version : new int[] {4, 6}) {
                for (int payload : new int[] {1461, 1460 * 3, 9000, 30_000, 60_000}) {
                    byte[] whole =
                            Packet.transport(second.mac(), first.mac(), version, Packet.TCP, payload, payload % 100);
                    sendSegmented(first, place, Packet.unfinished(whole, true), version, 1400, payload);
                    assertSegments(whole, 1400, second.receive((payload + 1399) / 1400));
                }
            }
            assertQuiet(second);
        }
    }

    @Test
    void noInterruptIsLost() {
        DriverOptions options = DriverOptions.DEFAULT.withCanaries(false);
        try (Station first = open(FIRST, options);
                Station second = open(SECOND, options)) {
            AtomicBoolean failed = new AtomicBoolean();
            int total = 20_000;
            CompletableFuture<Void> echo = CompletableFuture.runAsync(() -> {
                byte[] answer = Packet.plain(first.mac(), second.mac(), 64, 0);
                int echoed = 0;
                while (echoed < total && !failed.get()) {
                    second.receive(0, 1, frame -> {});
                    second.send(answer);
                    echoed++;
                }
            });
            byte[] question = Packet.plain(second.mac(), first.mac(), 64, 0);
            int window = 3;
            try {
                for (int sent = 0; sent < total + window; sent++) {
                    if (sent < total) {
                        first.send(question);
                    }
                    if (sent >= window) {
                        first.receive(0, 1, frame -> {});
                    }
                }
            } finally {
                failed.set(true);
                echo.join();
            }
        }
    }

    @Test
    void softwareInterruptIsRaisedAtOnce() {
        try (Station first = open(FIRST)) {
            var vector = first.driver().vector(0);
            vector.take();
            vector.enable();
            assertThat(vector.await(Duration.ofMillis(50))).as("a reason").isZero();
            vector.trigger();
            assertThat(vector.await(SOON)).isOne();
            assertThat(vector.isEnabled()).as("masks itself").isFalse();
        }
    }

    @Test
    void nothingIsWrittenAfterQueuesWereDisabled() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            AtomicBoolean done = new AtomicBoolean();
            CompletableFuture<Void> traffic = CompletableFuture.runAsync(() -> sendUntil(done, first, second.mac()));
            try {
                for (int round = 0; round < 10; round++) {
                    second.receive(50);
                    second.driver().stop();
                    GuestMemory memory = second.driver().memory();
                    long from = memory.mark() - memory.mark() / 2;
                    memory.fill(from, memory.mark() - from, CANARY);
                    assertThat(second.driver().statistics()).isNotNull();
                    first.driver().registers().read(VfRegister.VFGEN_RSTAT);
                    assertThat(memory.mismatch(from, memory.mark() - from, CANARY))
                            .as("first byte that was written")
                            .isEqualTo(-1);
                    second.driver().open(QueueSettings.DEFAULT);
                }
            } finally {
                done.set(true);
                traffic.join();
            }
        }
    }

    @Test
    void functionIsResetAmidTraffic() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            second.driver().addAddress(new MacAddress(0x0200_0000_0099L));
            AtomicBoolean done = new AtomicBoolean();
            CompletableFuture<Void> traffic = CompletableFuture.runAsync(() -> sendUntil(done, first, second.mac()));
            try {
                for (int round = 0; round < 10; round++) {
                    second.receive(20);
                    for (int number = 0; number < 40; number++) {
                        second.post(Packet.plain(first.mac(), second.mac(), 1000, number), TransmitOffload.NONE);
                    }
                    second.driver().transmitQueue(0).kick();
                    second.driver().reset();
                }
                second.receive(100);
            } finally {
                done.set(true);
                traffic.join();
            }
            byte[] extra = Packet.plain(new MacAddress(0x0200_0000_0099L), first.mac(), 99, 0);
            first.send(extra);
            awaitFrame(second, extra);
        }
    }

    @Test
    void functionOfClientThatVanishedIsAsNew() {
        for (int round = 0; round < 3; round++) {
            Station vanished = open(FIRST);
            vanished.post(Packet.plain(MacAddress.BROADCAST, vanished.mac(), 1000, round), TransmitOffload.NONE);
            vanished.driver().transmitQueue(0).kick();
            vanished.driver().addAddress(new MacAddress(0x0200_0000_0077L));
            vanished.abandon();
            Awaitility.await().atMost(SOON).until(() -> runtime.user(FIRST).equals("nobody"));
        }
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            second.send(Packet.plain(new MacAddress(0x0200_0000_0077L), second.mac(), 100, 1));
            assertQuiet(first);
            byte[] frame = Packet.plain(first.mac(), second.mac(), 100, 2);
            second.send(frame);
            assertThat(first.receiveOne()).isEqualTo(frame);
        }
    }

    @Test
    void functionLevelResetLeavesFunctionUsable() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            for (int round = 0; round < 5; round++) {
                second.post(Packet.plain(first.mac(), second.mac(), 1000, round), TransmitOffload.NONE);
                second.driver().transmitQueue(0).kick();
                second.client().reset();
                second.driver().recover();
                byte[] frame = Packet.plain(second.mac(), first.mac(), 500, round);
                first.send(frame);
                awaitFrame(second, frame);
            }
        }
    }

    @Test
    void badAddressStopsQueueOnly() {
        try (Station first = open(FIRST);
                Station second = open(SECOND);
                Station third = open(THIRD)) {
            TransmitQueue queue = first.driver().transmitQueue(0);
            queue.post(ELSEWHERE, 100, TransmitOffload.NONE);
            queue.kick();
            first.send(Packet.plain(second.mac(), first.mac(), 100, 1));
            assertQuiet(first, second, third);
            assertThat(queue.reclaim()).isZero();
            assertThat(first.driver().takeErrors()).isEqualTo(VfRegister.LEN_VFE);
            assertThat(first.driver().takeErrors()).isZero();
            assertThat(second.driver().takeErrors()).isZero();

            byte[] between = Packet.plain(third.mac(), second.mac(), 100, 2);
            second.send(between);
            assertThat(third.receiveOne()).isEqualTo(between);
            byte[] toFirst = Packet.plain(first.mac(), second.mac(), 100, 3);
            second.send(toFirst);
            assertThat(first.receiveOne()).isEqualTo(toFirst);

            first.driver().reset();
            byte[] again = Packet.plain(second.mac(), first.mac(), 100, 4);
            first.send(again);
            assertThat(second.receiveOne()).isEqualTo(again);
        }
        assertThat(runtime.errors()).isEmpty();
    }

    @Test
    void driverIsUpdatedAmidTraffic() {
        try (Station first = open(FIRST, DriverOptions.DEFAULT.withRegisters(RegisterPath.MAPPED));
                Station second = open(SECOND)) {
            AtomicBoolean done = new AtomicBoolean();
            CompletableFuture<Integer> traffic = CompletableFuture.supplyAsync(() -> {
                int number = 0;
                while (!done.get() || number % 100 != 0) {
                    byte[] frame = Packet.plain(second.mac(), first.mac(), size(number), number);
                    first.send(frame);
                    assertThat(second.receiveOne()).isEqualTo(frame);
                    number++;
                }
                return number;
            });
            int updates = 5;
            try {
                for (int update = 0; update < updates; update++) {
                    assertThat(runtime.exec("vfio:update mediate.i40e")).contains("mediate.i40e is updated to");
                    Awaitility.await().atMost(SOON).untilAsserted(() -> assertThat(runtime.field(FIRST, "mediator"))
                            .hasValueSatisfying(mediator -> assertThat(mediator).contains("i40e")));
                }
            } finally {
                done.set(true);
            }
            int frames = traffic.orTimeout(60, TimeUnit.SECONDS).join();
            LOGGER.log(Level.INFO, "{0} frames each way while the driver was updated {1} times", frames, updates);
            assertThat(runtime.field(FIRST, "hand-overs").orElseThrow()).startsWith(updates + ",");
            assertQuiet(first, second);
        }
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void runtimeSawNoError() {
        assertThat(runtime.errors()).isEmpty();
        Awaitility.await().atMost(SOON).until(() -> runtime.user(FIRST).equals("nobody"));
        assertThat(ProcessFigures.mappedParts(runtime.pid(), "iavf")).isEmpty();
    }

    private Station open(String address) {
        return open(address, DriverOptions.DEFAULT);
    }

    private Station open(String address, DriverOptions options) {
        return Station.open(runtime.socket(address), options, QueueSettings.DEFAULT);
    }

    private static void exchange(Station first, Station second, int size) {
        byte[] there = Packet.plain(second.mac(), first.mac(), size, size);
        byte[] back = Packet.plain(first.mac(), second.mac(), size, -size);
        first.send(there);
        second.send(back);
        assertThat(second.receiveOne()).isEqualTo(Packet.padded(there));
        assertThat(first.receiveOne()).isEqualTo(Packet.padded(back));
    }

    private static void assertQuiet(Station... stations) {
        for (Station station : stations) {
            assertThat(station.unexpected()).as("frames for %s", station.mac()).isEmpty();
        }
    }

    private static int awaitQueue(Station station, int queues) {
        int[] found = {-1};
        Awaitility.await("a frame on some queue")
                .pollDelay(Duration.ZERO)
                .pollInterval(Duration.ofMillis(1))
                .atMost(SOON)
                .until(() -> {
                    for (int queue = 0; queue < queues; queue++) {
                        if (station.driver().receiveQueue(queue).isReady()) {
                            found[0] = queue;
                        }
                    }
                    return found[0] >= 0;
                });
        return found[0];
    }

    /** Frames of other traffic may come before it. */
    private static void awaitFrame(Station station, byte[] wanted) {
        List<byte[]> last = new ArrayList<>();
        do {
            last.add(station.receiveOne());
        } while (!Arrays.equals(last.get(last.size() - 1), wanted));
    }

    private static void sendUntil(AtomicBoolean done, Station from, MacAddress to) {
        byte[] frame = Packet.plain(to, from.mac(), 700, 0);
        while (!done.get()) {
            from.send(frame);
        }
        from.awaitSent();
    }

    private static int status(VirtualFunctionDriver driver, int opcode, int size) {
        Message reply = driver.request(opcode, ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN));
        assertThat(reply.payload().remaining())
                .as("payload of the reply to %d", opcode)
                .isZero();
        return reply.status();
    }

    private static TransmitOffload offload(int version, int protocol) {
        return TransmitOffload.checksums(
                version == 4 ? IPV4_CHECKSUM : IPV6,
                protocol == Packet.TCP ? TransmitOffload.Transport.TCP : TransmitOffload.Transport.UDP,
                Packet.MAC_LENGTH,
                version == 4 ? Packet.IPV4_LENGTH : Packet.IPV6_LENGTH,
                protocol == Packet.TCP ? Packet.TCP_LENGTH : Packet.UDP_LENGTH);
    }

    private static boolean isTransportType(int packetType) {
        return List.of(24, 26, 27, 90, 92, 93).contains(packetType);
    }

    /** As the Linux stack does: headers in one fragment, payload in others. */
    private static void sendSegmented(
            Station station, long place, byte[] frame, int version, int maximumSegmentSize, int payload) {
        GuestMemory memory = station.driver().memory();
        memory.bytes().put(place, ByteBuffer.wrap(frame));
        int headers = frame.length - payload;
        int pieces = 1 + (payload + 8191) / 8192;
        long[] addresses = new long[pieces];
        int[] lengths = new int[pieces];
        addresses[0] = memory.address(place);
        lengths[0] = headers;
        int at = headers;
        for (int piece = 1; piece < pieces; piece++) {
            addresses[piece] = memory.address(place + at);
            lengths[piece] = Math.min(8192, frame.length - at);
            at += lengths[piece];
        }
        TransmitOffload offload = offload(version, Packet.TCP).segmented(maximumSegmentSize, payload);
        TransmitQueue queue = station.driver().transmitQueue(0);
        assertThat(queue.post(addresses, lengths, pieces, offload)).isTrue();
        queue.kick();
        station.awaitSent();
    }

    private static void assertSegments(byte[] whole, int maximumSegmentSize, List<byte[]> segments) {
        int headers = Packet.payloadOffset(whole);
        int transport = Packet.transportOffset(whole);
        int at = headers;
        for (int index = 0; index < segments.size(); index++) {
            byte[] segment = segments.get(index);
            int payload = Math.min(maximumSegmentSize, whole.length - at);
            ByteBuffer bytes = ByteBuffer.wrap(segment);
            assertThat(segment.length).as("length of segment %d", index).isEqualTo(headers + payload);
            assertThat(Packet.isSound(segment)).as("segment %d is sound", index).isTrue();
            assertThat(Arrays.copyOfRange(segment, headers, segment.length))
                    .isEqualTo(Arrays.copyOfRange(whole, at, at + payload));
            assertThat(bytes.getInt(transport + 4)).isEqualTo(Packet.SEQUENCE + at - headers);
            boolean last = index == segments.size() - 1;
            int flags = Packet.ACK | (last ? Packet.FIN | Packet.PSH : 0) | (index == 0 ? Packet.CWR : 0);
            assertThat(segment[transport + 13] & 0xff)
                    .as("flags of segment %d", index)
                    .isEqualTo(flags);
            if (segment[Packet.MAC_LENGTH] == 0x45) {
                assertThat(bytes.getShort(Packet.MAC_LENGTH + 4) & 0xffff)
                        .as("identification")
                        .isEqualTo(Packet.IDENTIFICATION + index);
            }
            at += payload;
        }
        assertThat(at).isEqualTo(whole.length);
    }

    private static int size(int number) {
        return 60 + number * 97 % 1455;
    }
}
