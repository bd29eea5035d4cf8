package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

class EduTest {
    private final GuestMemory guest = new GuestMemory(0x10000);
    private final SimulatedFunction function = SimulatedFunction.physical(Functions.edu());
    private final CountingSignal signal = new CountingSignal();
    private Hardware edu = function.open(guest);
    private Accessor bar = new Accessor(edu, PciRegion.BAR0);

    EduTest() {
        busMaster(true);
    }

    @AfterEach
    void close() {
        edu.close();
    }

    @Test
    void identifiesItself() {
        bar.write(0, 0);
        assertThat(bar.read(0)).isEqualTo(0x010000ed);
        bar.write(4, 0x12345678);
        assertThat(bar.read(4)).isEqualTo(~0x12345678);
        assertThat(edu.regionInfo(PciRegion.BAR0).areas()).containsExactly(SparseArea.direct(0x1000, 0xff000));
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 1", "2, 2", "5, 120", "12, 479001600", "13, 1932053504", "34, 0", "-1, 0"})
    void computesFactorialsModulo32Bits(int number, int factorial) {
        bar.write(8, number);
        assertThat(bar.read(8)).isEqualTo(factorial);
    }

    @Test
    void factorialRaisesTheInterruptIfAsked() {
        connect(PciInterrupt.INTX);
        bar.write(8, 5);
        assertThat(signal.events()).isZero();
        bar.write(0x20, -1);
        assertThat(bar.read(0x20)).isEqualTo(Edu.STATUS_FACTORIAL_INTERRUPT);
        bar.write(8, 5);
        assertThat(signal.events()).isEqualTo(1);
        assertThat(bar.read(0x24)).isEqualTo(Edu.FACTORIAL_INTERRUPT);
    }

    @Test
    void raisesAndAcknowledgesIntx() {
        connect(PciInterrupt.INTX);
        assertThat(interruptStatus()).isFalse();
        bar.write(0x60, 0x30);
        assertThat(signal.events()).isEqualTo(1);
        assertThat(interruptStatus()).isTrue();
        assertThat(bar.read(0x24)).isEqualTo(0x30);
        bar.write(0x64, 0x10);
        unmask();
        assertThat(signal.events()).as("0x20 still stands").isEqualTo(2);
        bar.write(0x64, 0x20);
        unmask();
        assertThat(signal.events()).isEqualTo(2);
        assertThat(interruptStatus()).isFalse();
    }

    @Test
    void honoursTheIntxDisableBit() {
        connect(PciInterrupt.INTX);
        Accessor.config(edu).write(PciConfig.COMMAND, 2, PciConfig.COMMAND_INTX_DISABLE);
        bar.write(0x60, 1);
        assertThat(signal.events()).isZero();
        assertThat(interruptStatus()).as("shown all the same").isTrue();
        Accessor.config(edu).write(PciConfig.COMMAND, 2, 0);
        assertThat(signal.events()).isEqualTo(1);
    }

    @Test
    void usesMsiWhenConnected() {
        connect(PciInterrupt.MSI);
        bar.write(0x60, 1);
        bar.write(0x60, 1);
        assertThat(signal.events()).isEqualTo(2);
    }

    @Test
    void copiesFromMemoryToItsBufferAndBack() {
        for (int index = 0; index < 100; index++) {
            guest.bytes[0x1000 + index] = (byte) (index + 1);
        }
        dma(0x1000, Edu.BUFFER, 100, Edu.DMA_RUN);
        awaitIdle();
        assertThat(bar.readBytes(Edu.BUFFER, 3)).containsExactly(1, 2, 3);
        dma(Edu.BUFFER, 0x2000, 100, Edu.DMA_RUN | Edu.DMA_TO_MEMORY);
        awaitIdle();
        assertThat(guest.bytes).startsWith(new byte[0x1000]);
        assertThat(guest.bytes[0x2000 + 99]).isEqualTo((byte) 100);
        assertThat(guest.bytes[0x2000 + 100]).isZero();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isZero();
        assertThat(guest.lastThread).isEqualTo("0000:00:04.0 DMA");
    }

    @Test
    void raisesTheInterruptWhenDmaIsDone() {
        connect(PciInterrupt.INTX);
        dma(0x1000, Edu.BUFFER, 4096, Edu.DMA_RUN | Edu.DMA_RAISE);
        await().untilAsserted(() -> assertThat(signal.events()).isEqualTo(1));
        assertThat(bar.read(0x24)).isEqualTo(Edu.DMA_INTERRUPT);
        assertThat(bar.read(0x98) & Edu.DMA_RUN).isZero();
    }

    @Test
    void registersOfARunningTransferCannotBeChanged() {
        CountDownLatch release = new CountDownLatch(1);
        guest.before = () -> awaitLatch(release);
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN);
        bar.write(0x80, 8, 0x7777);
        bar.write(0x98, 8, Edu.DMA_RUN | Edu.DMA_TO_MEMORY);
        assertThat(bar.read(0x80, 8)).isEqualTo(0x1000);
        assertThat(bar.read(0x98)).isEqualTo(Edu.DMA_RUN);
        release.countDown();
        awaitIdle();
    }

    @ParameterizedTest
    @CsvSource({
        "0xffffffff0, 0x40000, 8",
        "0x1000, 0x3ffff, 8",
        "0x1000, 0x40ffc, 8",
        "0x1000, 0x7fffffffffffffff, 8",
        "0x1000, 0x40000, 0",
        "0x1000, 0x40000, 4097",
        "0x1000, 0x40000, -1",
    })
    void failedDmaSetsTheErrorBitAndTheNextOneWorks(String source, String destination, long count) {
        connect(PciInterrupt.MSI);
        dma(Long.decode(source), Long.decode(destination), count, Edu.DMA_RUN | Edu.DMA_RAISE);
        awaitIdle();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isNotZero();
        await().untilAsserted(() -> assertThat(signal.events()).isEqualTo(1));
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isZero();
    }

    @Test
    void anyExceptionOfTheMemoryIsAFailedTransfer() {
        guest.before = () -> {
            throw new IllegalStateException("broken");
        };
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isNotZero();
    }

    @Test
    void dmaNeedsBusMastering() {
        busMaster(false);
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isNotZero();
        assertThat(guest.lastThread).as("never touched").isEmpty();
    }

    @Test
    void closeEndsTheThreadAndATransferUnderWay() {
        CountDownLatch never = new CountDownLatch(1);
        guest.before = () -> awaitLatch(never);
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN);
        await().until(() -> !guest.lastThread.isEmpty());
        edu.close();
        await().untilAsserted(() -> assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(thread -> thread.getName().equals("0000:00:04.0 DMA")));
        edu = function.open(guest);
        bar = new Accessor(edu, PciRegion.BAR0);
        assertThat(bar.read(0x98) & Edu.DMA_RUN).isZero();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isNotZero();
        guest.before = () -> {};
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN);
        awaitIdle();
        assertThat(status() & Edu.STATUS_DMA_FAILED).isZero();
    }

    @Test
    void resetCancelsATransferUnderWay() {
        guest.bytes[0x1000] = 42;
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch done = new CountDownLatch(1);
        guest.before = () -> awaitLatch(release);
        connect(PciInterrupt.MSI);
        dma(0x1000, Edu.BUFFER, 8, Edu.DMA_RUN | Edu.DMA_RAISE);
        edu.reset();
        busMaster(true);
        release.countDown();
        guest.before = done::countDown;
        dma(0x2000, Edu.BUFFER + 8, 8, Edu.DMA_RUN);
        awaitLatch(done);
        awaitIdle();
        assertThat(bar.read(Edu.BUFFER)).isZero();
        assertThat(signal.events()).isZero();
    }

    @Test
    void resetLowersTheInterrupt() {
        connect(PciInterrupt.INTX);
        bar.write(0x60, 1);
        edu.reset();
        unmask();
        assertThat(signal.events()).isEqualTo(1);
        assertThat(bar.read(0x24)).isZero();
        assertThat(interruptStatus()).isFalse();
    }

    private void connect(int index) {
        edu.connect(index, InterruptAction.TRIGGER, 0, List.of(signal));
    }

    private void unmask() {
        edu.act(PciInterrupt.INTX, InterruptAction.UNMASK, 0, 1);
    }

    private void busMaster(boolean on) {
        Accessor.config(edu).write(PciConfig.COMMAND, 2, on ? PciConfig.COMMAND_MASTER : 0);
    }

    private boolean interruptStatus() {
        return (Accessor.config(edu).read(PciConfig.STATUS, 2) & PciConfig.STATUS_INTERRUPT) != 0;
    }

    private void dma(long source, long destination, long count, int command) {
        bar.write(0x80, 8, source);
        bar.write(0x88, 8, destination);
        bar.write(0x90, 8, count);
        bar.write(0x98, 8, command);
    }

    private int status() {
        return bar.read(0x20);
    }

    private void awaitIdle() {
        await().until(() -> (bar.read(0x98) & Edu.DMA_RUN) == 0);
    }

    private static void awaitLatch(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
