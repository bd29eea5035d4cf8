package vfio.iavf;

import java.time.Duration;

/**
 * How the driver behaves. Immutable; start from {@link #DEFAULT}.
 *
 * @param registers how it reaches registers
 * @param interrupts whether it waits for interrupts; if not it polls and enables none
 * @param canaries whether it marks memory that the device must not write and looks at the marks; costs time per frame
 * @param iova where the device finds the driver's memory, a multiple of 4096
 * @param memorySize bytes of the driver's memory, a multiple of 4096
 * @param patience how long the device may take to answer
 */
public record DriverOptions(
        RegisterPath registers, boolean interrupts, boolean canaries, long iova, long memorySize, Duration patience) {
    /** Trapped registers, interrupts, canaries, 64 MiB at an address beyond 4 GiB, 10 seconds. */
    public static final DriverOptions DEFAULT =
            new DriverOptions(RegisterPath.TRAPPED, true, true, 0x12_3400_0000L, 64L << 20, Duration.ofSeconds(10));

    /** With registers reached in another way. */
    public DriverOptions withRegisters(RegisterPath path) {
        return new DriverOptions(path, interrupts, canaries, iova, memorySize, patience);
    }

    /** With or without interrupts. */
    public DriverOptions withInterrupts(boolean wanted) {
        return new DriverOptions(registers, wanted, canaries, iova, memorySize, patience);
    }

    /** With or without canaries. */
    public DriverOptions withCanaries(boolean wanted) {
        return new DriverOptions(registers, interrupts, wanted, iova, memorySize, patience);
    }

    /** With other memory. */
    public DriverOptions withMemory(long newIova, long newSize) {
        return new DriverOptions(registers, interrupts, canaries, newIova, newSize, patience);
    }

    /** With another patience. */
    public DriverOptions withPatience(Duration newPatience) {
        return new DriverOptions(registers, interrupts, canaries, iova, memorySize, newPatience);
    }
}
