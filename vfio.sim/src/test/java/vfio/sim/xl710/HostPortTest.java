package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

@Timeout(60)
class HostPortTest {
    private static final long HOST = 0x02ff_ffff_ff01L;
    private static final long GROUP = 0x0100_5e00_0005L;
    private static final long EVERYBODY = 0xffff_ffff_ffffL;

    private final FakeHost host = new FakeHost();
    private final Adapter adapter = new Adapter("test", 1, 0x0200_0300_0000L, Optional.of(() -> host));
    private final TestDriver one = new TestDriver(adapter, 0).probe().open();
    private final TestDriver two = new TestDriver(adapter, 1).probe().open();

    @AfterEach
    void close() {
        one.close();
        two.close();
        adapter.close();
    }

    @Test
    void hostGetsWhatIsForNobodyElse() throws InterruptedException {
        one.send(one.frame(two.mac, 100, 1));
        one.send(one.frame(HOST, 100, 2));
        one.send(one.frame(GROUP, 100, 3));
        one.send(one.frame(EVERYBODY, 100, 4));

        assertThat(next()).isEqualTo(one.frame(HOST, 100, 2));
        assertThat(next()).isEqualTo(one.frame(GROUP, 100, 3));
        assertThat(next()).isEqualTo(one.frame(EVERYBODY, 100, 4));
        assertThat(two.receive()).isEqualTo(one.frame(two.mac, 100, 1));
        assertThat(two.receive()).isEqualTo(one.frame(EVERYBODY, 100, 4));
        assertThat(host.received).isEmpty();
    }

    @Test
    void functionsGetWhatTheHostSends() {
        byte[] toOne = two.frame(one.mac, 700, 1);
        byte[] toAll = two.frame(EVERYBODY, 60, 2);
        host.send(toOne);
        host.send(toAll);

        assertThat(one.receive()).isEqualTo(toOne);
        assertThat(one.receive()).isEqualTo(toAll);
        assertThat(two.receive()).isEqualTo(toAll);
        assertThat(host.received).as("frames that came back").isEmpty();
    }

    @Test
    void shortFramesOfTheHostArePadded() {
        byte[] frame = two.frame(one.mac, 200, 1);
        Arrays.fill(frame, 14, frame.length, (byte) 0xff);
        host.send(frame);
        host.send(Arrays.copyOf(frame, 42));

        assertThat(one.receive()).isEqualTo(frame);
        assertThat(one.receive()).isEqualTo(Arrays.copyOf(Arrays.copyOf(frame, 42), 60));
    }

    @Test
    void whatIsNoFrameIsPassedOver() {
        host.send(new byte[Frame.HEADER - 1]);
        host.send(two.frame(one.mac, 60, 1));
        assertThat(one.receive()).isEqualTo(two.frame(one.mac, 60, 1));
    }

    @Test
    void nothingPassesWhileTheLinkIsDown() throws InterruptedException {
        adapter.setLink(false);
        host.send(two.frame(one.mac, 60, 1));
        one.send(one.frame(HOST, 60, 2));
        TestDriver.await("sent").until(() -> one.control(0) == 0xf && host.hasSentAll());
        adapter.setLink(true);
        host.send(two.frame(one.mac, 60, 3));
        one.send(one.frame(HOST, 60, 4));

        assertThat(one.receive()).isEqualTo(two.frame(one.mac, 60, 3));
        assertThat(next()).isEqualTo(one.frame(HOST, 60, 4));
    }

    @Test
    void whatTheHostDoesNotTakeIsCounted() {
        host.full = true;
        one.send(one.frame(HOST, 60, 1));
        TestDriver.await("discarded").until(() -> counters().contains("rx.discards=1"));
    }

    @Test
    void cardGoesOnWithoutAHostThatLeaves() {
        host.vanish();
        TestDriver.await("closed").until(() -> host.closed);
        one.send(one.frame(HOST, 60, 1));
        one.send(one.frame(two.mac, 60, 2));
        assertThat(two.receive()).isEqualTo(one.frame(two.mac, 60, 2));
    }

    @Test
    void cardWorksWithoutAPortThatCannotBeHad() {
        Adapter alone = new Adapter("alone", 1, 0x0200_0400_0000L, Optional.of(() -> {
            throw new VfioException(Errno.EPERM, "not permitted");
        }));
        try (alone;
                TestDriver driver = new TestDriver(alone, 0).probe().open()) {
            assertThat(alone.ports()).hasSize(1);
            driver.send(driver.frame(HOST, 60, 1));
            TestDriver.await("sent").until(() -> driver.control(0) == 0xf);
        }
    }

    @Test
    void portIsClosedWithTheCard() {
        adapter.close();
        assertThat(host.closed).isTrue();
    }

    private String counters() {
        return String.valueOf(adapter.ports());
    }

    private byte[] next() throws InterruptedException {
        byte[] frame = host.received.poll(10, TimeUnit.SECONDS);
        assertThat(frame).as("a frame for the host").isNotNull();
        return frame;
    }
}
