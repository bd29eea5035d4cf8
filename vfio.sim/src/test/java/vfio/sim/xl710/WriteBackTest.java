package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTLN1;

import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** When a driver that waits for interrupts sees what its function has received. */
class WriteBackTest {
    private static final int DISABLED = 3 << 3;
    private static final int ENABLED = InterruptControl.INTENA | DISABLED;

    private final Adapter adapter = new Adapter("0000:03:00.0", 1, 0x0200_0000_0000L, Optional.empty());
    private final TestDriver sender = new TestDriver(adapter, 0).probe().open();
    private final TestDriver receiver = new TestDriver(adapter, 1).probe().open();
    private int sent;

    @BeforeEach
    void disable() {
        control(DISABLED);
        receiver.fired.clear();
    }

    @AfterEach
    void close() {
        sender.close();
        receiver.close();
        adapter.close();
    }

    @Test
    void linesAreCompletedWhileTheVectorIsDisabled() {
        send(3);
        assertThat(receiver.hasReceived()).isFalse();
        send(1);
        assertThat(receiver.receive(4)).hasSize(4);
        send(2);
        assertThat(receiver.hasReceived()).isFalse();
        assertThat(receiver.fired).isEmpty();
    }

    @Test
    void enablingTheVectorShowsWhatWaitsAndFires() {
        send(2);
        control(ENABLED);
        receiver.receive(2);
        TestDriver.await("interrupt").until(() -> receiver.fired.contains(1));
        assertThat(receiver.registers.getInt(VFINT_DYN_CTLN1.offset()) & InterruptControl.INTENA)
                .isZero();

        send(1);
        assertThat(receiver.hasReceived()).isFalse();
        assertThat(receiver.fired).containsExactly(1);
    }

    @Test
    void anEnabledVectorHidesNothing() {
        control(ENABLED);
        send(1);
        assertThat(receiver.hasReceived()).isTrue();
    }

    @Test
    void nothingWaitsIfTheDriverAsksForThat() {
        control(DISABLED | InterruptControl.WB_ON_ITR);
        send(1);
        assertThat(receiver.hasReceived()).isTrue();
    }

    @Test
    void anInterruptForSomethingElseDoesNotOvertake() {
        for (int round = 0; round < 50; round++) {
            int rounds = round;
            receiver.send(receiver.frame(0x0200_0000_0099L, 60, 1));
            TestDriver.await("sent").until(() -> receiver.control(rounds % TestDriver.RING) == 0xf);
            send(1);
            receiver.fired.clear();
            control(ENABLED);
            TestDriver.await("interrupt").until(() -> receiver.fired.contains(1));
            assertThat(receiver.hasReceived()).isTrue();
            receiver.take();
        }
    }

    @Test
    void whatWaitsIsWrittenBeforeTheFunctionStandsStill() {
        send(1);
        receiver.function.state().freeze();
        assertThat(receiver.hasReceived()).isTrue();
    }

    @Test
    void whatWaitsIsNotWrittenToARingThatIsGone() {
        send(1);
        assertThat(receiver.ask(9, receiver.enabling(1, 0)).status()).isZero();
        control(ENABLED);
        // A question that the engine answers after that.
        assertThat(adapter.ports()).isNotEmpty();
        assertThat(receiver.hasReceived()).isFalse();
    }

    @Test
    void whatWaitsForMemoryThatIsGoneStopsTheQueue() {
        send(1);
        receiver.guest.unmap();
        control(ENABLED);
        TestDriver.await("event").until(() -> receiver.function.maliciousEvents() == 1);
    }

    /** Sends, and returns when the frames have been forwarded. */
    private void send(int frames) {
        for (int frame = 0; frame < frames; frame++) {
            int entry = sent++ % TestDriver.RING;
            sender.send(sender.frame(receiver.mac, 60, sent));
            TestDriver.await("sent").until(() -> sender.control(entry) == 0xf);
        }
    }

    private void control(int value) {
        receiver.function.write(VFINT_DYN_CTLN1, 0, value);
    }
}
