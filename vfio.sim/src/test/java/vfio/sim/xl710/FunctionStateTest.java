package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static vfio.sim.xl710.TestDriver.message;
import static vfio.sim.xl710.VfRegister.QRX_TAIL1;
import static vfio.sim.xl710.VfRegister.QTX_TAIL1;
import static vfio.sim.xl710.VfRegister.VFGEN_RSTAT;
import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTL01;
import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTLN1;
import static vfio.sim.xl710.VfRegister.VFINT_ICR01;
import static vfio.sim.xl710.VfRegister.VFINT_ICR0_ENA1;
import static vfio.sim.xl710.VfRegister.VF_ARQH1;
import static vfio.sim.xl710.VfRegister.VF_ARQLEN1;
import static vfio.sim.xl710.VfRegister.VF_ARQT1;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

class FunctionStateTest {
    private static final long EXTRA = 0x0200_0000_0077L;

    private final Adapter adapter = new Adapter("test", 4, 0x0200_0300_0000L, Optional.empty());
    private final TestDriver one = new TestDriver(adapter, 0).probe().open();
    private final TestDriver two = new TestDriver(adapter, 1).probe().open();
    private final TestDriver spare = new TestDriver(adapter, 2);
    private final VirtualFunction first = one.function;

    @AfterEach
    void close() {
        first.close();
        one.close();
        two.close();
        spare.close();
        adapter.close();
    }

    @Test
    void aFrozenFunctionDoesNothingAndLosesNothing() {
        HardwareState state = one.function.state();
        control(one, 0, 0x19);
        state.freeze();
        state.freeze();
        Map<String, byte[]> before = one.state();
        byte[] memory = one.guest.bytes.array().clone();
        one.fired.clear();
        two.send(two.frame(one.mac, 60, 1));
        TestDriver.await("sent").until(() -> two.control(0) == 0xf);
        two.send(two.frame(one.mac, 60, 1));
        TestDriver.await("sent").until(() -> two.control(1) == 0xf);

        assertThat(Arrays.equals(one.guest.bytes.array(), memory)).isTrue();
        assertSame(one.state(), before);
        one.send(one.frame(two.mac, 70, 5));
        one.tell(15, message(12).putShort(0, (short) one.vsi));
        control(one, 0, 0x1d);
        one.function.write(VFINT_DYN_CTL01, 0, 0x19);
        one.function.write(VFINT_ICR0_ENA1, 0, InterruptControl.ICR01_ADMINQ);
        adapter.ports();
        assertThat(one.control(0)).as("not sent").isNotEqualTo(0xf);
        assertThat(one.fired).isEmpty();
        assertThat(one.registers.getInt(VFINT_DYN_CTLN1.offset()) & 1)
                .as("INTENA")
                .isOne();

        state.thaw();
        assertThat(one.fired).contains(1);
        assertThat(two.receive()).isEqualTo(one.frame(two.mac, 70, 5));
        assertThat(one.next().opcode()).isEqualTo(15);
        TestDriver.await("vector 0").until(() -> one.fired.contains(0));
        state.thaw();
    }

    @Test
    void aSenderIsMovedUnderTraffic() {
        int frames = 600;
        AtomicInteger received = new AtomicInteger();
        CompletableFuture<Void> sending = CompletableFuture.runAsync(() -> {
            for (int number = 0; number < frames; number++) {
                int length = 60 + number % 500;
                int taken = number - TestDriver.RING / 2;
                TestDriver.await("room").until(() -> received.get() > taken);
                synchronized (one) {
                    one.send(one.frame(two.mac, length, number));
                }
            }
        });
        TestDriver free = spare;
        for (int number = 0; number < frames; number++) {
            assertThat(two.take()).isEqualTo(one.frame(two.mac, 60 + number % 500, number));
            received.incrementAndGet();
            if (number % 100 == 99) {
                // Nobody else touches the function, as if the processors of its guest stood still.
                synchronized (one) {
                    VirtualFunction left = one.function;
                    one.moveTo(free);
                    one.function.state().thaw();
                    left.reset();
                    left.close();
                }
                free = new TestDriver(adapter, 3 + number / 100);
            }
        }
        sending.join();
        free.close();
        assertThat(one.function.maliciousEvents()).isZero();
        assertThat(statistics(one, 7)).as("sent").isEqualTo(frames);
    }

    @Test
    void aReceiverGoesOnWhereItStopped() {
        for (int number = 0; number < 90; number++) {
            two.send(two.frame(one.mac, 60 + number, number));
            assertThat(one.take()).isEqualTo(two.frame(one.mac, 60 + number, number));
        }
        two.send(two.frame(one.mac, 200, 90));
        TestDriver.await("arrival").until(one::hasReceived);
        one.moveTo(spare);
        first.reset();
        one.function.state().thaw();
        for (int number = 91; number < 160; number++) {
            two.send(two.frame(one.mac, 60 + number, number));
            int expected = number - 1;
            assertThat(one.take()).isEqualTo(two.frame(one.mac, expected == 90 ? 200 : 60 + expected, expected));
        }
        TestDriver.await("statistics").until(() -> statistics(one, 1) == 160);
        assertThat(one.function.maliciousEvents()).isZero();
    }

    @Test
    void messagesThatNobodyHasRoomForAreDeliveredAfterTheMove() {
        one.set(VF_ARQT1, one.get(VF_ARQH1));
        one.tell(15, message(12).putShort(0, (short) one.vsi));
        TestDriver.await("answer").until(() -> one.state().get("admin").length == 12 + 96);
        one.tell(99, message(3));
        TestDriver.await("answers").until(() -> one.state().get("admin").length == 12 + 96 + 12);
        int head = one.get(VF_ARQH1);
        one.moveTo(spare);
        one.function.state().thaw();
        assertThat(one.get(VF_ARQH1)).isEqualTo(head);
        one.set(VF_ARQT1, (head + TestDriver.ENTRIES - 1) % TestDriver.ENTRIES);
        one.function.ring();

        assertThat(one.next().payload().limit()).isEqualTo(96);
        TestDriver.Message refused = one.next();
        assertThat(refused.opcode()).isEqualTo(99);
        assertThat(refused.status()).isEqualTo(Virtchnl.STATUS_ERR_NOT_SUPPORTED);
        TestDriver.Message link = one.next();
        assertThat(link.payload().getInt(0)).isEqualTo(Virtchnl.EVENT_LINK_CHANGE);
        assertThat(link.payload().get(8)).isEqualTo((byte) 1);
        assertThat(one.hasNext()).isFalse();
    }

    @Test
    void latchedInterruptsAndCausesAreMovedAndEveryVectorFiresOnce() {
        control(one, 0, InterruptControl.WB_ON_ITR | 0x18);
        control(one, 2, 0x19);
        one.function.write(VFINT_DYN_CTL01, 0, 0x1c);
        two.send(two.frame(one.mac, 60, 1));
        TestDriver.await("arrival").until(one::hasReceived);
        TestDriver.await("latch").until(() -> (one.state().get("interrupts")[0] & 2) != 0);
        one.moveTo(spare);
        assertThat(one.fired).isEmpty();
        one.function.state().thaw();

        assertThat(one.fired).hasSize(InterruptControl.VECTORS).doesNotHaveDuplicates();
        assertThat(one.registers.getInt(VFINT_DYN_CTLN1.at(2)) & 1)
                .as("nothing was latched there")
                .isOne();
        one.fired.clear();
        control(one, 0, 0x19);
        assertThat(one.fired).containsExactly(1);
        assertThat(one.function.read(VFINT_ICR01, 0))
                .isEqualTo(
                        InterruptControl.ICR01_ADMINQ | InterruptControl.ICR01_SWINT | InterruptControl.ICR01_INTEVENT);
    }

    /** The guest may reset the function, and so may its VMM when the guest reboots. */
    @Test
    void whatAGuestBroughtGoesWithTheFirstResetAfterItsClient() {
        Adapter elsewhere = new Adapter("elsewhere", 4, 0x0200_0400_0000L, Optional.empty());
        try (elsewhere;
                TestDriver there = new TestDriver(elsewhere, 5)) {
            one.moveTo(there);
            one.function.state().thaw();
            Map<String, byte[]> brought = one.state();
            long mac = one.mac;
            int vsi = one.vsi;
            one.function.reset();
            one.probe();
            assertThat(one.mac).isEqualTo(mac);
            one.function.detach();
            one.function.attach(one.guest);
            one.probe();
            assertThat(one.mac).as("before a reset").isEqualTo(mac);

            one.function.reset();
            one.probe();
            assertThat(one.mac).isEqualTo(0x0200_0400_0005L);
            assertThat(one.vsi).isEqualTo(0x185);
            assertThat(elsewhere.ports().get(0).addresses()).containsExactly(one.mac);

            one.function.detach();
            one.function.attach(one.guest);
            one.function.state().freeze();
            one.function.state().write(brought);
            one.function.reset();
            one.probe();
            assertThat(one.mac).as("of the next that was brought").isEqualTo(mac);
            assertThat(one.vsi).isEqualTo(vsi);
        }
    }

    @Test
    void theGuestKeepsItsNameAndAddressesAndTheSourceLosesThem() {
        one.ask(10, one.addresses(EXTRA));
        one.ask(14, message(4).putShort(0, (short) one.vsi).putShort(2, (short) 3));
        Adapter elsewhere = new Adapter("elsewhere", 4, 0x0200_0400_0000L, Optional.empty());
        try (elsewhere;
                TestDriver there = new TestDriver(elsewhere, 5)) {
            there.function.state().freeze();
            one.moveTo(there);
            first.reset();
            one.function.state().thaw();
            assertThat(one.next().opcode()).isEqualTo(Virtchnl.OP_EVENT);
            assertThat(adapter.ports().get(0).addresses()).isEmpty();
            assertThat(adapter.ports().get(0).unicastPromiscuous()).isFalse();
            assertThat(elsewhere.ports().get(0).addresses()).containsExactly(one.mac, EXTRA);
            assertThat(elsewhere.ports().get(0).multicastPromiscuous()).isTrue();
            assertThat(one.ask(9, one.enabling(1, 1)).status())
                    .as("for its VSI")
                    .isZero();

            long mac = one.mac;
            int vsi = one.vsi;
            one.function.reset();
            assertThat(elsewhere.ports().get(0).addresses()).isEmpty();
            one.probe();
            assertThat(one.mac).isEqualTo(mac);
            assertThat(one.vsi).isEqualTo(vsi);
            assertThat(elsewhere.ports().get(0).addresses()).containsExactly(mac);
        }
    }

    @Test
    void aFunctionWithFewerQueuePairsIsRefusedAndOneWithMoreIsNot() {
        Map<String, byte[]> parts = one.state();
        Adapter small = new Adapter("small", 2, 0x0200_0400_0000L, Optional.empty());
        Adapter large = new Adapter("large", 16, 0x0200_0500_0000L, Optional.empty());
        try (small;
                large;
                TestDriver little = new TestDriver(small, 0);
                TestDriver big = new TestDriver(large, 0)) {
            assertThatExceptionOfType(VfioException.class)
                    .isThrownBy(() -> little.function.state().check(parts))
                    .withMessageContaining("4 queue pairs")
                    .withMessageContaining("has 2")
                    .returns(Errno.EINVAL, VfioException::errno);
            one.moveTo(big);
            assertThat(one.state().get("queues")).hasSize(4 + 4 * 64);
            one.moveTo(spare);
            one.function.state().thaw();
            one.send(one.frame(two.mac, 60, 3));
            assertThat(two.receive()).isEqualTo(one.frame(two.mac, 60, 3));
        }
    }

    @Test
    void aResetThaws() {
        one.function.state().freeze();
        control(one, 0, 0x1d);
        one.function.hold();
        one.function.reset();
        one.set(VFGEN_RSTAT, 2);
        assertThat(one.fired).isEmpty();
        one.probe().open();
        one.send(one.frame(two.mac, 60, 1));
        assertThat(two.receive()).hasSize(60);
        control(one, 0, 0x1d);
        assertThat(one.fired).contains(1);
    }

    @Test
    void staysFrozenWhileNobodyHasItOpen() {
        one.function.state().freeze();
        one.function.detach();
        one.function.attach(one.guest);
        one.send(one.frame(two.mac, 60, 1));
        adapter.ports();
        assertThat(two.hasReceived()).isFalse();
        one.function.state().thaw();
        assertThat(two.receive()).hasSize(60);
    }

    @Test
    void whatTheHostWantsWaits() {
        one.function.state().freeze();
        byte[] messages = one.function.state().read("admin");
        adapter.setLink(false);
        adapter.setLink(true);
        adapter.setLink(false);
        one.function.resetByHost();
        assertThat(one.function.state().read("admin")).isEqualTo(messages);
        one.function.state().thaw();
        TestDriver.Message link = one.next();
        assertThat(link.payload().getInt(0)).isEqualTo(Virtchnl.EVENT_LINK_CHANGE);
        assertThat(link.payload().get(8)).isZero();
        assertThat(one.next().payload().getInt(0)).isEqualTo(Virtchnl.EVENT_RESET_IMPENDING);
        TestDriver.await("reset").until(() -> one.get(VF_ARQLEN1) == 0 && one.get(VFGEN_RSTAT) == 2);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aResetUnderWayGoesOn(int phase) {
        Map<String, byte[]> parts = new HashMap<>(one.state());
        ByteBuffer reset = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        parts.put("reset", reset.putInt(phase).putLong(5_000_000).array());
        spare.set(VF_ARQLEN1, phase);
        spare.function.state().freeze();
        spare.function.state().write(parts);
        assertThat(spare.get(VFGEN_RSTAT)).isEqualTo(phase == 2 ? 0 : 2);
        assertThat(spare.state().get("reset")).isEqualTo(parts.get("reset"));
        spare.function.state().thaw();
        int cleared = phase == 1 ? 0 : phase;
        TestDriver.await("end").until(() -> spare.get(VF_ARQLEN1) == cleared && spare.get(VFGEN_RSTAT) == 2);
    }

    @Test
    void isReplacedOnlyWhileFrozen() {
        Map<String, byte[]> parts = one.state();
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> spare.function.state().write(parts))
                .returns(Errno.EBUSY, VfioException::errno);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> one.function.state().read("registers"))
                .returns(Errno.EINVAL, VfioException::errno);
    }

    @Test
    void missingUnknownAndShortPartsAreRefused() {
        Map<String, byte[]> parts = one.state();
        assertRefused(Map.of());
        Map<String, byte[]> more = new HashMap<>(parts);
        more.put("more", new byte[0]);
        assertRefused(more);
        parts.forEach((name, bytes) -> {
            Map<String, byte[]> fewer = new HashMap<>(parts);
            fewer.remove(name);
            assertRefused(fewer);
            for (int length = 0; length <= bytes.length + 1; length++) {
                if (length != bytes.length && !(name.equals("admin") && length == 0)) {
                    Map<String, byte[]> other = new HashMap<>(parts);
                    other.put(name, Arrays.copyOf(bytes, length));
                    assertRefused(other);
                }
            }
        });
    }

    /** What of a queue pair, how wide, which value. */
    @ParameterizedTest
    @CsvSource({
        "0, 1, 0, a ring without a queue",
        "0, 1, 2, enabled and not configured",
        "0, 1, 8, an unknown flag",
        "1, 1, 5, a vector that is not there",
        "2, 2, 0, no ring",
        "2, 2, 60, a length that is not a multiple of 8",
        "2, 2, 8192, more descriptors than a tail can name",
        "4, 2, 64, a head outside the ring",
        "6, 2, 1, an unused byte",
        "8, 8, 64, a ring that is not aligned",
        "24, 8, 1, an unused byte",
        "32, 1, 4, head write-back of a receive queue",
        "33, 1, 5, a vector that is not there",
        "34, 2, 48, a length that is not a multiple of 32",
        "36, 2, 64, a head outside the ring",
        "40, 8, 1, a ring that is not aligned",
        "48, 4, 0, no buffer",
        "48, 4, 16257, too large a buffer",
        "52, 4, 63, too short a frame",
        "56, 8, 1, an unused byte",
    })
    void queuesThatCannotBeAreRefused(int offset, int width, long value, String what) {
        Map<String, byte[]> parts = new HashMap<>(one.state());
        ByteBuffer queues = ByteBuffer.wrap(parts.get("queues").clone()).order(ByteOrder.LITTLE_ENDIAN);
        switch (width) {
            case 1 -> queues.put(4 + offset, (byte) value);
            case 2 -> queues.putShort(4 + offset, (short) value);
            case 4 -> queues.putInt(4 + offset, (int) value);
            default -> queues.putLong(4 + offset, value);
        }
        parts.put("queues", queues.array());
        assertRefused(parts);
    }

    /** Which part, where, which byte. */
    @ParameterizedTest
    @CsvSource({
        "negotiation, 0, 5",
        "negotiation, 0, 0",
        "negotiation, 6, 1",
        "negotiation, 9, 1",
        "negotiation, 12, 2",
        "negotiation, 13, 0",
        "negotiation, 13, 2",
        "filters, 5, 3",
        "filters, 6, 4",
        "filters, 8, -127",
        "filters, 11, 1",
        "filters, 18, 1",
        "rss, 60, 4",
        "rss, 117, 1",
        "queues, 0, 3",
        "queues, 68, 2",
        "interrupts, 2, 2",
        "interrupts, 4, 2",
        "interrupts, 8, 32",
        "reset, 0, 3",
        "reset, 4, 1",
        "reset, 11, -1"
    })
    void valuesThatCannotBeAreRefused(String part, int at, int value) {
        Map<String, byte[]> parts = new HashMap<>(one.state());
        byte[] bytes = parts.get(part).clone();
        bytes[at] = (byte) value;
        parts.put(part, bytes);
        assertRefused(parts);
    }

    @Test
    void queuesHaveTheFormatThatOthersRead() {
        for (int number = 0; number < 7; number++) {
            one.send(one.frame(two.mac, 60, number));
        }
        two.receive(7);
        two.send(two.frame(one.mac, 60, 0));
        one.receive();
        TestDriver.await("head").until(() -> one.state().get("queues")[4 + 4] == 7);
        ByteBuffer queues = ByteBuffer.wrap(one.state().get("queues")).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer asked = one.queues(TestDriver.RING);

        assertThat(queues.getInt(0)).isEqualTo(4);
        assertThat(queues.get(4)).isEqualTo((byte) 3);
        assertThat(queues.get(5)).isEqualTo((byte) 1);
        assertThat(queues.getShort(6)).isEqualTo((short) 64);
        assertThat(queues.getLong(12)).isEqualTo(asked.getLong(16));
        assertThat(queues.getLong(20)).isZero();
        assertThat(queues.get(36)).isEqualTo((byte) 3);
        assertThat(queues.get(37)).isEqualTo((byte) 1);
        assertThat(queues.getShort(38)).isEqualTo((short) 64);
        assertThat(queues.getShort(40)).isEqualTo((short) 1);
        assertThat(queues.getLong(44)).isEqualTo(asked.getLong(56));
        assertThat(queues.getInt(52)).isEqualTo(TestDriver.BUFFER);
        assertThat(queues.getInt(56)).isEqualTo(9728);
        assertThat(queues.get(68)).as("the next pair").isZero();
    }

    @Test
    void queuesAreReadAtOnceByWhoWatchesTheDma() {
        AtomicReference<byte[]> seen = new AtomicReference<>();
        one.function.attach(new DmaSpace() {
            @Override
            public void read(long iova, ByteBuffer destination) {
                one.guest.read(iova, destination);
            }

            @Override
            public void write(long iova, ByteBuffer source) {
                seen.set(one.function.state().read("queues"));
                one.guest.write(iova, source);
            }
        });
        one.ask(15, message(12).putShort(0, (short) one.vsi));
        assertThat(seen.get()).isEqualTo(one.state().get("queues"));
    }

    @Test
    void writtenPagesAreWrittenDownAsBefore() {
        one.function.logWrites(true);
        two.send(two.frame(one.mac, 60, 1));
        one.receive();
        one.function.state().freeze();
        assertThat(one.function.takeWrittenPages()).isNotEmpty();
        two.send(two.frame(one.mac, 60, 1));
        TestDriver.await("sent").until(() -> two.control(1) == 0xf);
        assertThat(one.function.takeWrittenPages()).isEmpty();
        one.function.state().thaw();
        two.send(two.frame(one.mac, 60, 1));
        TestDriver.await("arrival").until(one::hasReceived);
        assertThat(one.function.takeWrittenPages()).isNotEmpty();
    }

    @Test
    void tailsAreTheRegisters() {
        one.moveTo(spare);
        assertThat(one.get(QRX_TAIL1)).isEqualTo(TestDriver.RING - 1);
        assertThat(one.get(QTX_TAIL1)).isZero();
    }

    private void assertRefused(Map<String, byte[]> parts) {
        HardwareState state = spare.function.state();
        state.freeze();
        Map<String, byte[]> untouched = spare.state();
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> state.check(parts))
                .returns(Errno.EINVAL, VfioException::errno);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> state.write(parts))
                .returns(Errno.EINVAL, VfioException::errno);
        assertSame(spare.state(), untouched);
    }

    static void assertSame(Map<String, byte[]> actual, Map<String, byte[]> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, bytes) -> assertThat(actual.get(name)).as(name).isEqualTo(bytes));
    }

    private static void control(TestDriver driver, int index, int value) {
        driver.function.write(VFINT_DYN_CTLN1, index, value);
    }

    private static long statistics(TestDriver driver, int counter) {
        return ByteBuffer.wrap(driver.state().get("statistics"))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong(8 * counter);
    }
}
