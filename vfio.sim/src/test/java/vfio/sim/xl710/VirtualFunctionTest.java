package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.sim.xl710.TestDriver.message;
import static vfio.sim.xl710.VfRegister.QTX_TAIL1;
import static vfio.sim.xl710.VfRegister.VFGEN_RSTAT;
import static vfio.sim.xl710.VfRegister.VFINT_ICR0_ENA1;
import static vfio.sim.xl710.VfRegister.VF_ARQLEN1;
import static vfio.sim.xl710.VfRegister.VF_ATQH1;

import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VirtualFunctionTest {
    private static final long NOWHERE = 0x10;

    private final Adapter adapter = new Adapter("test", 4, 0x0200_0300_0000L, Optional.empty());
    private final TestDriver one = new TestDriver(adapter, 0).probe().open();
    private final TestDriver two = new TestDriver(adapter, 1).probe().open();

    @AfterEach
    void close() {
        one.close();
        two.close();
        adapter.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {60, 61, 1000, 1514, 2048})
    void aFrameArrivesAsItWasSent(int length) {
        byte[] frame = one.frame(two.mac, length, 7);
        one.send(frame);

        assertThat(two.receive()).isEqualTo(frame);
        TestDriver.await("write-back").until(() -> one.control(0) == 0xf);
        assertThat(one.hasReceived()).isFalse();
    }

    @Test
    void manyFramesKeepTheirOrder() {
        for (int number = 0; number < 50; number++) {
            one.send(one.frame(two.mac, 60 + number, number));
        }
        for (int number = 0; number < 50; number++) {
            assertThat(two.receive()).isEqualTo(one.frame(two.mac, 60 + number, number));
        }
    }

    @Test
    void aDoorbellInMappedMemoryIsNoticed() {
        one.function.registersMapped();
        byte[] frame = one.frame(two.mac, 100, 1);
        one.send(frame);
        two.receive();
        long before = System.nanoTime();
        // Long enough for the engine to sleep as long as it ever does.
        TestDriver.await("sleep").until(() -> System.nanoTime() - before > 50_000_000);
        one.transmit(TestGuest.BASE + 0x120000, 0x30L | 100L << 34);

        assertThat(two.receive()).isEqualTo(frame);
    }

    @Test
    void framesThatFindNoRoomAreCounted() {
        for (int number = 0; number < TestDriver.RING + 6; number++) {
            int sent = number;
            one.send(one.frame(two.mac, 60, number));
            TestDriver.await("sent").until(() -> one.control(sent % TestDriver.RING) == 0xf);
        }
        two.receive(TestDriver.RING - 1);

        assertThat(two.hasReceived()).isFalse();
        assertThat(two.ask(15, message(12).putShort(0, (short) two.vsi))
                        .payload()
                        .getLong(32))
                .isEqualTo(7);
    }

    @Test
    void addressesToReadFromAreChecked() {
        one.transmit(NOWHERE, 0x30L | 100L << 34);
        assertStoppedAndOthersGoOn("VF 0");
    }

    @Test
    void addressesToWriteToAreChecked() {
        two.pointReceive(0, TestGuest.BASE + TestGuest.SIZE - 10);
        one.send(one.frame(two.mac, 60, 1));
        TestDriver.await("event").until(() -> two.function.maliciousEvents() == 1);

        assertThat(two.get(VF_ARQLEN1) & AdminQueue.VF_ERROR).isNotZero();
        assertThat(two.guest.faults).hasValue(1);
        assertThat(one.function.maliciousEvents()).isZero();
        two.send(two.frame(one.mac, 60, 2));
        assertThat(one.receive()).hasSize(60);
    }

    @ParameterizedTest
    @ValueSource(longs = {0x38, 0x32, 0x30, 0x30 | 16L << 34, 0x30 | 9725L << 34, 0x30 | 100L << 34 | 1L << 12})
    void descriptorsThatMakeNoSenseStopTheQueue(long control) {
        one.transmit(TestGuest.BASE, control);
        assertStoppedAndOthersGoOn("VF 0");
    }

    @Test
    void aTailOutsideTheRingStopsTheQueue() {
        one.set(QTX_TAIL1, TestDriver.RING);
        one.function.ring();
        assertStoppedAndOthersGoOn("VF 0");
    }

    @Test
    void aPacketWithoutItsEndIsWaitedFor() {
        byte[] frame = one.frame(two.mac, 120, 3);
        one.send(frame);
        two.receive();
        one.transmit(TestGuest.BASE + 0x120000, 60L << 34);
        assertThat(two.hasReceived()).isFalse();
        one.transmit(TestGuest.BASE + 0x120000 + 60, 0x30L | 60L << 34);

        assertThat(two.receive()).isEqualTo(frame);
    }

    @Test
    void nothingIsReadOrWrittenWithoutBusMastering() {
        two.busMaster = false;
        one.send(one.frame(two.mac, 60, 1));
        TestDriver.await("sent").until(() -> one.control(0) == 0xf);
        assertThat(two.hasReceived()).isFalse();
        one.busMaster = false;
        one.tell(15, message(12).putShort(0, (short) one.vsi));
        int head = one.get(VF_ATQH1);
        two.function.logWrites(false);
        assertThat(one.get(VF_ATQH1)).isEqualTo(head);
        one.busMaster = true;
        one.function.ring();
        assertThat(one.next().opcode()).isEqualTo(15);
    }

    @Test
    void disabledQueuesDoNothing() {
        assertThat(two.ask(9, two.enabling(1, 1)).status()).isZero();
        assertThat(two.get(QTX_TAIL1)).isZero();
        one.send(one.frame(two.mac, 60, 1));
        TestDriver.await("sent").until(() -> one.control(0) == 0xf);
        assertThat(two.hasReceived()).isFalse();
    }

    @Test
    void interruptsComeOnTheVectorsOfTheQueues() {
        one.function.write(VfRegister.VFINT_DYN_CTLN1, 0, 0x19);
        two.function.write(VfRegister.VFINT_DYN_CTLN1, 0, 0x19);
        one.fired.clear();
        two.fired.clear();
        one.send(one.frame(two.mac, 60, 1));
        two.receive();

        TestDriver.await("interrupts").until(() -> one.fired.contains(1) && two.fired.contains(1));
        assertThat(one.registers.getInt(0x3800) & 1).as("INTENA").isZero();
    }

    @Test
    void theMailboxInterruptsVector0() {
        one.function.read(VfRegister.VFINT_ICR01, 0);
        one.function.write(VfRegister.VFINT_DYN_CTL01, 0, 0x19);
        one.function.write(VFINT_ICR0_ENA1, 0, InterruptControl.ICR01_ADMINQ);
        one.fired.clear();
        one.ask(15, message(12).putShort(0, (short) one.vsi));

        TestDriver.await("interrupt").until(() -> one.fired.contains(0));
        assertThat(one.function.read(VfRegister.VFINT_ICR01, 0))
                .isEqualTo(InterruptControl.ICR01_ADMINQ | InterruptControl.ICR01_INTEVENT);
    }

    @Test
    void aResetThatTheDriverAsksForIsSilentAndThorough() {
        one.tell(2, message(0));
        TestDriver.await("reset").until(() -> one.get(VF_ARQLEN1) == 0 && one.get(VFGEN_RSTAT) == 2);
        two.send(two.frame(one.mac, 60, 1));
        TestDriver.await("sent").until(() -> two.control(0) == 0xf);
        assertThat(one.hasReceived()).isFalse();
        for (int offset = 0; offset < 0x10000; offset += 4) {
            assertThat(one.registers.getInt(offset)).as("0x%x", offset).isEqualTo(offset == 0x8800 ? 2 : 0);
        }
        one.mailbox();
        assertThat(one.ask(3, message(4).putInt(0, -1)).status())
                .as("without VERSION")
                .isZero();
        one.open();
        one.send(one.frame(two.mac, 60, 9));
        assertThat(two.receive()).isEqualTo(one.frame(two.mac, 60, 9));
    }

    @Test
    void theResetTakesItsTime() {
        long begin = System.nanoTime();
        one.tell(2, message(0));
        TestDriver.await("reset").until(() -> one.get(VF_ARQLEN1) == 0 && one.get(VFGEN_RSTAT) == 2);

        assertThat(System.nanoTime() - begin).isGreaterThanOrEqualTo(10_000_000);
    }

    @Test
    void theDriverIsWarnedOfAResetByThePhysicalFunction() {
        one.function.resetByHost();
        TestDriver.Message warning = one.next();
        assertThat(warning.opcode()).isEqualTo(Virtchnl.OP_EVENT);
        assertThat(warning.payload().getInt(0)).isEqualTo(Virtchnl.EVENT_RESET_IMPENDING);
        assertThat(warning.payload().getInt(12)).isEqualTo(255);
        TestDriver.await("reset").until(() -> one.get(VF_ARQLEN1) == 0 && one.get(VFGEN_RSTAT) == 2);
    }

    @Test
    void theLinkIsReported() {
        adapter.setLink(false);
        TestDriver.Message down = one.next();
        assertThat(down.payload().getInt(0)).isEqualTo(Virtchnl.EVENT_LINK_CHANGE);
        assertThat(down.payload().get(8)).isZero();
        adapter.setLink(true);
        TestDriver.Message up = one.next();
        assertThat(up.payload().getInt(4)).as("Mb/s").isEqualTo(40_000);
        assertThat(up.payload().get(8)).isEqualTo((byte) 1);
    }

    @Test
    void framesAreLostWhileTheLinkIsDown() {
        adapter.setLink(false);
        one.send(one.frame(two.mac, 60, 1));
        TestDriver.await("sent").until(() -> one.control(0) == 0xf);
        adapter.setLink(true);
        one.send(one.frame(two.mac, 60, 2));

        assertThat(two.receive()).isEqualTo(one.frame(two.mac, 60, 2));
    }

    @Test
    void exactlyTheWrittenPagesAreWrittenDown() {
        one.guest.written.take();
        two.guest.written.take();
        one.function.logWrites(true);
        two.function.logWrites(true);
        for (int number = 0; number < 40; number++) {
            one.send(one.frame(two.mac, 1514, number));
        }
        two.receive(40);
        one.ask(15, message(12).putShort(0, (short) one.vsi));

        assertThat(one.function.takeWrittenPages())
                .isEqualTo(one.guest.written.take())
                .isNotEmpty();
        assertThat(two.function.takeWrittenPages())
                .isEqualTo(two.guest.written.take())
                .isNotEmpty();
        assertThat(two.function.takeWrittenPages()).as("taken").isEmpty();
        two.function.logWrites(false);
        one.send(one.frame(two.mac, 60, 1));
        two.receive();
        assertThat(two.function.takeWrittenPages()).as("off").isEmpty();
    }

    @Test
    void aMailboxThatReachesNowhereCostsAReset() {
        one.set(VfRegister.VF_ATQBAL1, 0);
        one.tell(15, message(12));
        TestDriver.await("reset").until(() -> one.get(VF_ARQLEN1) == 0 && one.get(VFGEN_RSTAT) == 2);

        assertThat(one.function.maliciousEvents()).isEqualTo(1);
        two.send(two.frame(MacTable.BROADCAST, 60, 1));
        TestDriver.await("sent").until(() -> two.control(0) == 0xf);
    }

    @Test
    void whoHasLeftIsNotReached() {
        two.function.detach();
        int faults = two.guest.faults.get();
        byte[] before = two.guest.bytes.array().clone();
        one.send(one.frame(two.mac, 60, 1));
        TestDriver.await("sent").until(() -> one.control(0) == 0xf);

        assertThat(Arrays.equals(two.guest.bytes.array(), before)).isTrue();
        assertThat(two.guest.faults).hasValue(faults);
    }

    private void assertStoppedAndOthersGoOn(String who) {
        TestDriver.await("event of " + who).until(() -> one.function.maliciousEvents() == 1);
        assertThat(one.get(VF_ARQLEN1) & AdminQueue.VF_ERROR)
                .as("the driver is told")
                .isNotZero();
        two.send(two.frame(one.mac, 60, 2));
        assertThat(one.receive()).hasSize(60);
        one.set(QTX_TAIL1, 1);
        one.function.ring();
        one.ask(15, message(12).putShort(0, (short) one.vsi));
        assertThat(one.function.maliciousEvents()).as("it is stopped").isEqualTo(1);
    }
}
