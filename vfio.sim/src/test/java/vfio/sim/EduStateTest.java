package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

class EduStateTest {
    private static final int PAGE = 0x1000;

    private final GuestMemory guest = new GuestMemory(0x10000);
    private final SimulatedFunction place = SimulatedFunction.physical(Functions.edu());
    private Hardware source = place.open(guest);
    private final Hardware target = SimulatedFunction.physical(Functions.edu()).open(guest);
    private final CountingSignal before = new CountingSignal();
    private final CountingSignal after = new CountingSignal();
    private final HardwareState state = source.state().orElseThrow();
    private final HardwareState other = target.state().orElseThrow();
    private final Accessor bar = new Accessor(source, PciRegion.BAR0);
    private final Accessor moved = new Accessor(target, PciRegion.BAR0);

    EduStateTest() {
        Accessor.config(source).write(PciConfig.COMMAND, 2, PciConfig.COMMAND_MASTER);
        for (int index = 0; index < 256; index++) {
            guest.bytes[PAGE + index] = (byte) index;
        }
    }

    @AfterEach
    void close() {
        source.close();
        target.close();
    }

    @Test
    void allRegistersAndTheBufferArriveInTheMiddleOfThings() {
        source.connect(PciInterrupt.INTX, InterruptAction.TRIGGER, 0, List.of(before));
        target.connect(PciInterrupt.INTX, InterruptAction.TRIGGER, 0, List.of(after));
        bar.write(0x04, 0x1234);
        bar.write(0x20, Edu.STATUS_FACTORIAL_INTERRUPT);
        bar.write(0x08, 10);
        dma(0x7fff_0000, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle(bar);
        bar.write(0x60, 0x40);
        bar.writeBytes(Edu.BUFFER, (byte) 9, (byte) 8, (byte) 7);
        move();
        other.thaw();

        assertThat(moved.readBytes(0, 0xa0)).isEqualTo(bar.readBytes(0, 0xa0));
        assertThat(moved.read(0x20)).isEqualTo(Edu.STATUS_FACTORIAL_INTERRUPT | Edu.STATUS_DMA_FAILED);
        assertThat(moved.read(0x24)).isEqualTo(0x41);
        assertThat(moved.readBytes(Edu.BUFFER, 3)).containsExactly(9, 8, 7);
        assertThat(after.events()).isEqualTo(1);
    }

    @Test
    void freezingWaitsForTheTransferUnderWay() {
        CountDownLatch release = new CountDownLatch(1);
        guest.before = () -> Threads.await(release);
        source.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(before));
        dma(PAGE, Edu.BUFFER, 8, Edu.DMA_RUN | Edu.DMA_RAISE);
        Thread freezing = Threads.start(state::freeze);
        Threads.awaitRest(freezing);
        assertThat(freezing.isAlive()).isTrue();
        release.countDown();
        Threads.awaitEnd(freezing);

        assertThat(bar.read(0x98) & Edu.DMA_RUN).isZero();
        assertThat(bar.readBytes(Edu.BUFFER, 3)).containsExactly(0, 1, 2);
        assertThat(before.events()).isEqualTo(1);
    }

    @Test
    void aTransferThatDoesNotEndPreventsFreezing() {
        CountDownLatch never = new CountDownLatch(1);
        guest.before = () -> Threads.await(never);
        dma(PAGE, Edu.BUFFER, 8, Edu.DMA_RUN);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(state::freeze)
                .returns(Errno.EIO, VfioException::errno);
        never.countDown();
        awaitIdle(bar);
        dma(PAGE, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle(bar);
        assertThat(bar.readBytes(Edu.BUFFER, 3)).containsExactly(0, 1, 2);
    }

    @Test
    void whatIsStartedWhileFrozenBeginsWhenThawed() {
        source.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(before));
        state.freeze();
        state.freeze();
        dma(PAGE, Edu.BUFFER, 8, Edu.DMA_RUN | Edu.DMA_RAISE);
        bar.write(0x60, 1);
        assertThat(bar.read(0x98) & Edu.DMA_RUN).isNotZero();
        assertThat(before.events()).isZero();
        assertThat(guest.lastThread).isEmpty();

        state.thaw();
        awaitIdle(bar);
        await().until(() -> before.events() == 2);
        assertThat(bar.readBytes(Edu.BUFFER, 3)).containsExactly(0, 1, 2);
        state.thaw();
        assertThat(before.events()).isEqualTo(2);
    }

    @Test
    void aTransferThatWaitsIsDoneByTheTarget() {
        target.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(after));
        state.freeze();
        dma(PAGE, Edu.BUFFER + 16, 8, Edu.DMA_RUN | Edu.DMA_RAISE);
        move();
        assertThat(moved.read(0x98) & Edu.DMA_RUN).isNotZero();
        assertThat(after.events()).isZero();
        other.thaw();

        awaitIdle(moved);
        assertThat(moved.readBytes(Edu.BUFFER + 16, 3)).containsExactly(0, 1, 2);
        await().until(() -> moved.read(0x24) == Edu.DMA_INTERRUPT && after.events() == 2);
        assertThat(bar.readBytes(Edu.BUFFER + 16, 3)).as("the source").containsOnly(0);
    }

    @Test
    void aResetThaws() {
        source.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(before));
        state.freeze();
        dma(PAGE, Edu.BUFFER, 8, Edu.DMA_RUN);
        bar.write(0x60, 1);
        source.reset();
        assertThat(before.events()).isZero();
        bar.write(0x60, 1);
        assertThat(before.events()).isEqualTo(1);
        Accessor.config(source).write(PciConfig.COMMAND, 2, PciConfig.COMMAND_MASTER);
        dma(PAGE, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle(bar);
        assertThat(bar.readBytes(Edu.BUFFER, 3)).containsExactly(0, 1, 2);
    }

    @Test
    void staysFrozenWhenItIsClosed() {
        state.freeze();
        source.close();
        source = place.open(guest);
        source.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(before));
        new Accessor(source, PciRegion.BAR0).write(0x60, 1);
        assertThat(before.events()).isZero();
        assertThatExceptionOfType(VfioException.class)
                .as("the state of one who has closed it")
                .isThrownBy(state::thaw)
                .returns(Errno.ENODEV, VfioException::errno);
        source.state().orElseThrow().thaw();
        assertThat(before.events()).isEqualTo(1);
    }

    @Test
    void isReplacedOnlyWhileFrozen() {
        Map<String, byte[]> parts = Map.of("registers", state.read("registers"));
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> other.write(parts))
                .returns(Errno.EBUSY, VfioException::errno);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> other.read("engine"))
                .returns(Errno.EINVAL, VfioException::errno);
    }

    @ParameterizedTest
    @CsvSource({"8, 1", "9, 2", "16, 2", "20, 8", "23, 1"})
    void impossibleValuesAreRefused(int at, int value) {
        byte[] bytes = state.read("registers");
        bytes[at] = (byte) value;
        assertRefused(Map.of("registers", bytes));
    }

    @Test
    void whatIsNoStateIsRefused() {
        byte[] bytes = state.read("registers");
        assertRefused(Map.of());
        assertRefused(Map.of("register", bytes));
        assertRefused(Map.of("registers", bytes, "more", bytes));
        assertRefused(Map.of("registers", new byte[bytes.length - 1]));
        assertRefused(Map.of("registers", new byte[bytes.length + 1]));
    }

    @Test
    void nothingThatIsAcceptedIsChanged() {
        Random random = new Random(3);
        other.freeze();
        for (int round = 0; round < 2000; round++) {
            byte[] bytes = state.read("registers");
            bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            try {
                other.write(Map.of("registers", bytes));
                assertThat(other.read("registers")).isEqualTo(bytes);
            } catch (VfioException e) {
                assertThat(e.errno()).isEqualTo(Errno.EINVAL);
            }
        }
    }

    private void assertRefused(Map<String, byte[]> parts) {
        other.freeze();
        byte[] untouched = other.read("registers");
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> other.check(parts))
                .returns(Errno.EINVAL, VfioException::errno);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> other.write(parts))
                .returns(Errno.EINVAL, VfioException::errno);
        assertThat(other.read("registers")).isEqualTo(untouched);
    }

    private void move() {
        state.freeze();
        other.freeze();
        Accessor.config(target).writeBytes(0, Accessor.config(source).readBytes(0, 256));
        moved.writeBytes(Edu.BUFFER, bar.readBytes(Edu.BUFFER, Edu.BUFFER_SIZE));
        other.write(Map.of("registers", state.read("registers")));
        assertThat(other.read("registers")).isEqualTo(state.read("registers"));
    }

    private void dma(long from, long to, long count, int command) {
        bar.write(0x80, 8, from);
        bar.write(0x88, 8, to);
        bar.write(0x90, 8, count);
        bar.write(0x98, 8, command);
    }

    private static void awaitIdle(Accessor registers) {
        await().until(() -> (registers.read(0x98) & Edu.DMA_RUN) == 0);
    }
}
