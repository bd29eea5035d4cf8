package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import vfio.pci.api.device.Memory;

/**
 * Whether a function is being reset, and VFGEN_RSTAT, which says so. A driver that is warned has some time to read the warning, as
 * the reset clears the queue with it; then the reset takes its time. While the function is frozen, time stands still. For the
 * engine's thread.
 */
final class ResetProgress {
    private static final long NANOS = TimeUnit.MILLISECONDS.toNanos(10);
    private static final int RSTAT_IN_PROGRESS = 0;
    private static final int RSTAT_ACTIVE = 2;
    private static final int SIZE = 12;

    private final Memory registers;
    private Phase phase = Phase.NONE;
    private long end;
    private long left;
    private boolean frozen;

    /** Numbered as in the state of a function. */
    enum Phase {
        NONE(0),
        WARNED(1),
        RESETTING(2);

        private static final Phase[] BY_NUMBER = values();

        private final int number;

        Phase(int number) {
            this.number = number;
        }
    }

    ResetProgress(Memory registers) {
        this.registers = registers;
    }

    /** The driver is warned, or the reset begins, or it ends. */
    void enter(Phase next) {
        enter(next, NANOS);
    }

    Phase phase() {
        return phase;
    }

    /** Whether the time of this phase is over. */
    boolean isOver() {
        return phase != Phase.NONE && remaining() == 0;
    }

    void freeze() {
        left = remaining();
        frozen = true;
    }

    void thaw() {
        frozen = false;
        end = System.nanoTime() + left;
    }

    /** The function is reset by other means, which have reset VFGEN_RSTAT. */
    void forget() {
        phase = Phase.NONE;
        frozen = false;
    }

    /** Bytes: 4 phase, 8 its remaining time in nanoseconds. VFGEN_RSTAT follows from it. */
    byte[] encode() {
        return ByteBuffer.allocate(SIZE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(phase.number)
                .putLong(remaining())
                .array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in) {
        int number = in.readInt();
        in.require(number >= 0 && number < Phase.BY_NUMBER.length, "a reset has no phase " + number);
        Phase next = Phase.BY_NUMBER[number];
        long nanos = in.readLong();
        long most = next == Phase.NONE ? 0 : NANOS;
        in.require(nanos >= 0 && nanos <= most, "phase " + next + " lasts for another " + nanos + " ns");
        return () -> enter(next, nanos);
    }

    private void enter(Phase next, long nanos) {
        phase = next;
        end = System.nanoTime() + nanos;
        left = nanos;
        registers.putInt(VfRegister.VFGEN_RSTAT.offset(), next == Phase.RESETTING ? RSTAT_IN_PROGRESS : RSTAT_ACTIVE);
    }

    private long remaining() {
        if (phase == Phase.NONE) {
            return 0;
        }
        return frozen ? left : Math.max(0, end - System.nanoTime());
    }
}
