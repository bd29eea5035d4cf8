package vfio.sim;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/**
 * The educational device of QEMU ({@code docs/specs/edu.rst}): small, documented, and it does DMA. A device for tests.
 *
 * <p>It follows the document with these differences. The factorial is computed before the write returns. DMA takes 64-bit
 * addresses and needs bus mastering enabled. A DMA that fails, because of the address, the range of the buffer, a count
 * that is zero or more than 4096, or bus mastering, sets bit 0x100 (DMA failed) of the status register; the next start
 * clears it. A failed DMA ends as any other: the start bit clears and the interrupt, if asked for, is raised. The buffer at
 * 0x40000 can be read and written by the client too, and what the document leaves open is storage.
 *
 * <p>The page of the registers is trapped, all others may be mapped. Interrupts go to MSI if it is connected, else to INTx.
 * DMA runs on a thread of the device, never within a register access. A transfer that is started while the device is frozen
 * begins when it is thawed.
 */
final class Edu extends DeviceModel {
    static final int STATUS_FACTORIAL_INTERRUPT = 0x80;
    static final int STATUS_DMA_FAILED = 0x100;

    static final int FACTORIAL_INTERRUPT = 0x1;
    static final int DMA_INTERRUPT = 0x100;

    static final int DMA_RUN = 0x1;
    static final int DMA_TO_MEMORY = 0x2;
    static final int DMA_RAISE = 0x4;

    static final int BUFFER = 0x40000;
    static final int BUFFER_SIZE = 4096;

    private static final int IDENTIFICATION = 0x00;
    private static final int LIVENESS = 0x04;
    private static final int FACTORIAL = 0x08;
    private static final int STATUS = 0x20;
    private static final int INTERRUPT_STATUS = 0x24;
    private static final int INTERRUPT_RAISE = 0x60;
    private static final int INTERRUPT_ACKNOWLEDGE = 0x64;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;

    private static final FunctionLayout LAYOUT = FunctionLayout.of(
                    new PciIds(0x1234, 0x11e8, 0x1af4, 0x1100, 0x00ff00, 0x10))
            .bar(PciRegion.BAR0, BarShape.Kind.MEMORY_32, 1 << 20)
            .interruptPin(1)
            .capability(Capabilities.msi(0x40, false))
            .build();

    private final SharedMemory registers;
    private @Nullable DmaEngine engine;
    private int transferNumber;
    private volatile int interruptStatus;
    private boolean frozen;
    private boolean restored;

    /** A transfer has been started that begins when the device is thawed. */
    private boolean waiting;

    Edu(PciAddress address, SharedMemory.Factory factory) {
        super(address, LAYOUT);
        registers = allocate(factory, PciRegion.BAR0);
        install(PciRegion.BAR0, registers, registers());
    }

    @Override
    public boolean interruptRequested() {
        return interruptStatus != 0;
    }

    @Override
    synchronized void attach(DmaSpace space) {
        engine = new DmaEngine(address() + " DMA", space);
    }

    @Override
    void detach() {
        DmaEngine ended = takeEngine();
        try {
            abandonTransfer();
        } finally {
            if (ended != null) {
                ended.close();
            }
        }
    }

    @Override
    Optional<HardwareState> state() {
        return Optional.of(new EduState(this));
    }

    /** On return no DMA is under way, none begins and no interrupt is told until {@link #thaw}. Idempotent. */
    void freeze() {
        DmaEngine current;
        synchronized (this) {
            frozen = true;
            current = engine;
        }
        if (current != null && !current.awaitIdle()) {
            thaw();
            throw new VfioException(
                    Errno.EIO, address() + " waits for memory of its client and cannot be frozen; close or reset it");
        }
        interrupts().hold(PciInterrupt.MSI);
        interrupts().hold(PciInterrupt.INTX);
    }

    /** Goes on. Idempotent. */
    void thaw() {
        boolean fires;
        boolean begins;
        synchronized (this) {
            if (!frozen) {
                return;
            }
            frozen = false;
            fires = restored;
            restored = false;
            begins = waiting;
            waiting = false;
        }
        if (fires) {
            interrupts().act(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, 1);
        }
        interrupts().release(PciInterrupt.MSI);
        interrupts().release(PciInterrupt.INTX);
        if (begins) {
            beginWaiting();
        }
    }

    /** After what was held back has been told, so that the end of the transfer is an event of its own. */
    private synchronized void beginWaiting() {
        if (isRunning()) {
            transfer();
        }
    }

    /** Appends what cannot be written to the registers; {@link EduState} says what that is. */
    synchronized void save(ByteBuffer destination) {
        destination
                .putInt(registers.getInt(LIVENESS))
                .putInt(registers.getInt(FACTORIAL))
                .putInt(registers.getInt(STATUS))
                .putInt(interruptStatus)
                .putInt((int) interrupts().pendingBits(PciInterrupt.MSI, 0))
                .putInt((int) registers.getLong(DMA_COMMAND))
                .putLong(registers.getLong(DMA_SOURCE))
                .putLong(registers.getLong(DMA_DESTINATION))
                .putLong(registers.getLong(DMA_COUNT));
    }

    /** Replaces that; has been checked. */
    synchronized void load(ByteBuffer source) {
        if (!frozen) {
            throw new VfioException(Errno.EBUSY, address() + " runs; freeze it before its state is replaced");
        }
        registers.putInt(LIVENESS, source.getInt());
        registers.putInt(FACTORIAL, source.getInt());
        registers.putInt(STATUS, source.getInt());
        interruptStatus = source.getInt();
        registers.putInt(INTERRUPT_STATUS, interruptStatus);
        interrupts().restore(PciInterrupt.MSI, source.getInt());
        registers.putLong(DMA_COMMAND, source.getInt());
        registers.putLong(DMA_SOURCE, source.getLong());
        registers.putLong(DMA_DESTINATION, source.getLong());
        registers.putLong(DMA_COUNT, source.getLong());
        waiting = isRunning();
        restored = true;
    }

    private synchronized @Nullable DmaEngine takeEngine() {
        DmaEngine taken = engine;
        engine = null;
        return taken;
    }

    private synchronized void abandonTransfer() {
        if (isRunning()) {
            finish(true);
        }
    }

    @Override
    void resetState() {
        synchronized (this) {
            transferNumber++;
            interruptStatus = 0;
            waiting = false;
            restored = false;
            frozen = false;
        }
        interrupts().restore(PciInterrupt.MSI, 0);
        interrupts().release(PciInterrupt.MSI);
        interrupts().release(PciInterrupt.INTX);
    }

    private List<Register> registers() {
        return List.of(
                Register.at(IDENTIFICATION, "identification")
                        .reset(0x0100_00edL)
                        .readOnly(),
                Register.at(LIVENESS, "liveness").onWrite(value -> registers.putInt(LIVENESS, (int) ~value)),
                Register.at(FACTORIAL, "factorial").onWrite(value -> computeFactorial((int) value)),
                Register.at(STATUS, "status").onWrite(this::writeStatus),
                Register.at(INTERRUPT_STATUS, "interrupt status").readOnly(),
                Register.at(INTERRUPT_RAISE, "interrupt raise").onWrite(value -> raise((int) value)),
                Register.at(INTERRUPT_ACKNOWLEDGE, "interrupt acknowledge").onWrite(value -> acknowledge((int) value)),
                Register.wideAt(DMA_SOURCE, "DMA source").onWrite(value -> writeDma(DMA_SOURCE, value)),
                Register.wideAt(DMA_DESTINATION, "DMA destination").onWrite(value -> writeDma(DMA_DESTINATION, value)),
                Register.wideAt(DMA_COUNT, "DMA count").onWrite(value -> writeDma(DMA_COUNT, value)),
                Register.wideAt(DMA_COMMAND, "DMA command").onWrite(value -> command((int) value)));
    }

    private void computeFactorial(int number) {
        int result = 1;
        // 34! and everything beyond is 0 modulo 2^32.
        for (int factor = 2; result != 0 && Integer.compareUnsigned(factor, number) <= 0; factor++) {
            result *= factor;
        }
        registers.putInt(FACTORIAL, result);
        if ((registers.getInt(STATUS) & STATUS_FACTORIAL_INTERRUPT) != 0) {
            raise(FACTORIAL_INTERRUPT);
        }
    }

    private synchronized void writeStatus(long value) {
        int kept = registers.getInt(STATUS) & ~STATUS_FACTORIAL_INTERRUPT;
        registers.putInt(STATUS, kept | ((int) value & STATUS_FACTORIAL_INTERRUPT));
    }

    private void raise(int causes) {
        setInterruptStatus(causes, 0);
        if (interrupts().isConnected(PciInterrupt.MSI)) {
            if (interruptRequested()) {
                interrupts().fire(PciInterrupt.MSI, 0);
            }
        } else {
            interrupts().intxChanged();
        }
    }

    private void acknowledge(int causes) {
        setInterruptStatus(0, causes);
    }

    private synchronized void setInterruptStatus(int set, int clear) {
        interruptStatus = (interruptStatus | set) & ~clear;
        registers.putInt(INTERRUPT_STATUS, interruptStatus);
    }

    private synchronized void writeDma(int offset, long value) {
        if (!isRunning()) {
            registers.putLong(offset, value);
        }
    }

    private synchronized void command(int command) {
        if ((command & DMA_RUN) == 0 || isRunning() || engine == null) {
            return;
        }
        registers.putLong(DMA_COMMAND, command & (DMA_RUN | DMA_TO_MEMORY | DMA_RAISE));
        registers.putInt(STATUS, registers.getInt(STATUS) & ~STATUS_DMA_FAILED);
        if (frozen) {
            waiting = true;
        } else {
            transfer();
        }
    }

    /** Begins the transfer that the registers describe. */
    private void transfer() {
        DmaEngine current = engine;
        if (current == null) {
            finish(true);
            return;
        }
        int number = ++transferNumber;
        boolean toMemory = (registers.getLong(DMA_COMMAND) & DMA_TO_MEMORY) != 0;
        long source = registers.getLong(DMA_SOURCE);
        long destination = registers.getLong(DMA_DESTINATION);
        long count = registers.getLong(DMA_COUNT);
        long inBuffer = (toMemory ? source : destination) - BUFFER;
        boolean allowed =
                isBusMaster() && count > 0 && count <= BUFFER_SIZE && inBuffer >= 0 && inBuffer <= BUFFER_SIZE - count;
        ByteBuffer data = ByteBuffer.allocate(allowed ? (int) count : 0);
        long buffer = BUFFER + inBuffer;
        if (toMemory && allowed) {
            registers.get(buffer, data);
            data.flip();
        }
        current.transfer(
                space -> {
                    if (allowed && toMemory) {
                        space.write(destination, data);
                    } else if (allowed) {
                        space.read(source, data);
                        data.flip();
                    }
                },
                failed -> complete(number, failed || !allowed, toMemory ? null : data, buffer));
    }

    private void complete(int number, boolean failed, @Nullable ByteBuffer arrived, long buffer) {
        boolean raise;
        synchronized (this) {
            // A reset or a close that came in between has already ended this transfer.
            if (number != transferNumber || !isRunning()) {
                return;
            }
            if (arrived != null && !failed) {
                registers.put(buffer, arrived);
            }
            raise = (registers.getLong(DMA_COMMAND) & DMA_RAISE) != 0;
            finish(failed);
        }
        if (raise) {
            raise(DMA_INTERRUPT);
        }
    }

    private void finish(boolean failed) {
        transferNumber++;
        waiting = false;
        registers.putLong(DMA_COMMAND, registers.getLong(DMA_COMMAND) & ~DMA_RUN);
        if (failed) {
            registers.putInt(STATUS, registers.getInt(STATUS) | STATUS_DMA_FAILED);
        }
    }

    private boolean isRunning() {
        return (registers.getLong(DMA_COMMAND) & DMA_RUN) != 0;
    }
}
