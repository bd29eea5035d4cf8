package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.iavf.DriverOptions;
import vfio.iavf.MacAddress;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.iavf.Statistics;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;
import vfio.iavf.VfRegister;

/** Frames between virtual functions: which arrive where, in which order, and how they are counted. */
class FramesIT extends DrivenFunctions {
    private static final Logger LOGGER = System.getLogger(FramesIT.class.getName());

    private static final QueueSettings JUMBO = QueueSettings.DEFAULT.withMtu(9702);
    private static final int LONGEST_FRAME = 9724;

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
                Station second = Station.probe(runtime.socket(SECOND), DriverOptions.DEFAULT.withInterrupts(false))) {
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
    void eachOfSixteenQueuePairsCarriesFrames() {
        int pairs = 16;
        try (Station many = Station.probe(runtime.socket(MANY), DriverOptions.DEFAULT);
                Station other = open(OTHER_OF_MANY)) {
            assertThat(many.driver().resources().queuePairs()).isEqualTo(pairs);
            many.driver().open(QueueSettings.DEFAULT.withPairs(pairs));
            byte[] table = new byte[many.driver().resources().rssLutSize()];
            for (int queue = 0; queue < pairs; queue++) {
                byte[] there = Packet.plain(other.mac(), many.mac(), 200, queue);
                TransmitQueue transmit = many.driver().transmitQueue(queue);
                assertThat(transmit.send(ByteBuffer.wrap(there), TransmitOffload.NONE))
                        .isTrue();
                transmit.kick();
                assertThat(other.receiveOne()).isEqualTo(there);

                Arrays.fill(table, (byte) queue);
                many.driver().rssLookupTable(table);
                byte[] back = Packet.transport(many.mac(), other.mac(), 4, Packet.UDP, 100, queue);
                other.send(back);
                many.receive(queue, 1, frame -> assertThat(frame.toArray()).isEqualTo(back));
            }
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
}
