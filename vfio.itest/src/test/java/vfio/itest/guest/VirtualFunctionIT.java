package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import vfio.iavf.DriverOptions;
import vfio.iavf.GuestMemory;
import vfio.iavf.LinkState;
import vfio.iavf.MacAddress;
import vfio.iavf.Message;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.iavf.Resources;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;
import vfio.iavf.VfRegister;
import vfio.iavf.Virtchnl;
import vfio.iavf.VirtualFunctionDriver;

/** The life of a virtual function: requests, interrupts, resets, and what changes under its driver. */
class VirtualFunctionIT extends DrivenFunctions {
    private static final Logger LOGGER = System.getLogger(VirtualFunctionIT.class.getName());

    private static final int UNKNOWN_OPCODE = 9999;
    private static final long ELSEWHERE = 0x7f_0000_0000L;
    private static final byte CANARY = 0x5c;

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
        int updates = 5;
        try (Station first = open(FIRST, DriverOptions.DEFAULT.withRegisters(RegisterPath.MAPPED));
                Station second = open(SECOND)) {
            int frames = whileExchanging(first, second, () -> {
                for (int update = 0; update < updates; update++) {
                    assertThat(runtime.exec("vfio:update mediate.i40e")).contains("mediate.i40e is updated to");
                    Awaitility.await().atMost(SOON).untilAsserted(() -> assertThat(runtime.field(FIRST, "mediator"))
                            .hasValueSatisfying(mediator -> assertThat(mediator).contains("i40e")));
                }
            });
            LOGGER.log(Level.INFO, "{0} frames each way while the driver was updated {1} times", frames, updates);
            assertThat(runtime.field(FIRST, "hand-overs").orElseThrow()).startsWith(updates + ",");
            assertQuiet(first, second);
        }
    }

    @Test
    void layoutSwitchesAmidTraffic() {
        int rounds = 5;
        DriverOptions mapped = DriverOptions.DEFAULT.withRegisters(RegisterPath.MAPPED);
        try (Station first = open(FIRST, mapped);
                Station second = open(SECOND, mapped)) {
            int frames = whileExchanging(first, second, () -> {
                for (int round = 0; round < rounds; round++) {
                    trap(true, first, second);
                    trap(false, first, second);
                }
            });
            LOGGER.log(Level.INFO, "{0} frames each way while tails were trapped {1} times", frames, rounds);
            assertQuiet(first, second);
        }
    }

    private void trap(boolean trapped, Station first, Station second) {
        String state = trapped ? "on" : "off";
        runtime.exec("vfio:trap %s %s; vfio:trap %s %s".formatted(FIRST, state, SECOND, state));
        for (Station station : List.of(first, second)) {
            Awaitility.await("trap " + state)
                    .atMost(SOON)
                    .until(() -> station.driver().isMapped(VfRegister.QRX_TAIL1) != trapped);
        }
    }

    /** Frames go back and forth while something is done; returns how many went each way. */
    private static int whileExchanging(Station first, Station second, Runnable work) {
        AtomicBoolean done = new AtomicBoolean();
        CompletableFuture<Integer> traffic = CompletableFuture.supplyAsync(() -> {
            int number = 0;
            while (!done.get() || number % 100 != 0) {
                exchange(first, second, size(number));
                number++;
            }
            return number;
        });
        try {
            work.run();
        } finally {
            done.set(true);
        }
        return traffic.orTimeout(60, TimeUnit.SECONDS).join();
    }

    private static int status(VirtualFunctionDriver driver, int opcode, int size) {
        Message reply = driver.request(opcode, ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN));
        assertThat(reply.payload().remaining())
                .as("payload of the reply to %d", opcode)
                .isZero();
        return reply.status();
    }
}
