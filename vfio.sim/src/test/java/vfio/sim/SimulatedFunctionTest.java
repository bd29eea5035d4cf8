package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

class SimulatedFunctionTest {
    private final GuestMemory guest = new GuestMemory(4096);
    private final SimulatedFunction function =
            SimulatedFunction.physical(Functions.pf()).virtual(Functions.VF_ADDRESS, 0, new HeapMemory.Factory());

    @Test
    void oneUserAtATime() {
        Hardware first = function.open(guest);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> function.open(guest))
                .returns(Errno.EBUSY, VfioException::errno);
        first.close();
        function.open(guest).close();
    }

    @Test
    void stateOutlivesTheUser() {
        Hardware first = function.open(guest);
        new Accessor(first, PciRegion.BAR0).write(0x6000, 0x1234);
        Accessor.config(first).write(0x10, 0xfe00_0000);
        first.close();
        Hardware second = function.open(guest);
        assertThat(new Accessor(second, PciRegion.BAR0).read(0x6000)).isEqualTo(0x1234);
        assertThat(Accessor.config(second).read(0x10)).isEqualTo(0xfe00_000c);
        second.close();
    }

    @Test
    void closeDisconnectsInterruptsOnce() {
        Hardware first = function.open(guest);
        CountingSignal signal = new CountingSignal();
        first.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, List.of(signal));
        first.act(PciInterrupt.MSIX, InterruptAction.MASK, 0, 1);
        first.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, 1);
        first.close();
        assertThat(signal.isClosed()).isTrue();

        Hardware second = function.open(guest);
        CountingSignal fresh = new CountingSignal();
        second.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, List.of(fresh));
        first.close();
        assertThat(fresh.isClosed())
                .as("closed by a second close of the first user")
                .isFalse();
        assertThat(fresh.events()).isZero();
        second.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, 1);
        assertThat(fresh.events()).isEqualTo(1);
        second.close();
    }

    /** Whoever closes second frees memory that the first may still be using. */
    @Test
    void secondCloserWaitsForTheFirst() {
        CountDownLatch go = new CountDownLatch(1);
        SimulatedFunction slow = SimulatedFunction.physical(new SlowToEnd(go));
        Hardware opened = slow.open(guest);
        Thread first = Threads.start(opened::close);
        Threads.awaitRest(first);

        Thread second = Threads.start(slow::remove);
        Threads.awaitRest(second);
        assertThat(second.isAlive()).isTrue();

        go.countDown();
        Threads.awaitEnd(second);
        Threads.awaitEnd(first);
        opened.close();
    }

    /** Takes its time to give the function back. */
    private static final class SlowToEnd extends DeviceModel {
        private final CountDownLatch go;

        SlowToEnd(CountDownLatch go) {
            super(Functions.VF_ADDRESS, FunctionLayout.of(Functions.vf().ids()).build());
            this.go = go;
        }

        @Override
        void detach() {
            Threads.await(go);
        }
    }

    @Test
    void closedHandleIsRefused() {
        Hardware opened = function.open(guest);
        opened.close();
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> Accessor.config(opened).read(0))
                .returns(Errno.ENODEV, VfioException::errno);
        assertThatExceptionOfType(VfioException.class).isThrownBy(opened::reset);
    }

    @Test
    void removalTakesTheFunctionAway() {
        Hardware opened = function.open(guest);
        CountingSignal signal = new CountingSignal();
        opened.connect(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, List.of(signal));
        function.remove();
        assertThat(signal.isClosed()).isTrue();
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> function.open(guest))
                .returns(Errno.ENODEV, VfioException::errno);
    }

    @Test
    void absentRegionIsRefused() {
        Hardware opened = function.open(guest);
        assertThat(opened.regionCount()).isEqualTo(PciRegion.COUNT);
        for (int region : new int[] {1, 2, 4, 5, 6, 8}) {
            assertThat(opened.regionInfo(region).size()).isZero();
            assertThatExceptionOfType(VfioException.class)
                    .isThrownBy(() -> new Accessor(opened, region).read(0))
                    .returns(Errno.EINVAL, VfioException::errno);
        }
        opened.close();
    }

    @Test
    void describesItself() {
        assertThat(function.backend()).isEqualTo("simulated");
        assertThat(function.physicalFunction()).contains(Functions.PF_ADDRESS);
        assertThat(function.virtualFunctionNumber()).isZero();
        assertThat(function.unassignableReason()).isEmpty();
        assertThat(function.ids().id()).isEqualTo("8086:154c");
    }
}
