package vfio.sim.xl710;

import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTL01;
import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTLN1;
import static vfio.sim.xl710.VfRegister.VFINT_ICR01;
import static vfio.sim.xl710.VfRegister.VFINT_ICR0_ENA1;
import static vfio.sim.xl710.VfRegister.VFINT_ITR01;
import static vfio.sim.xl710.VfRegister.VFINT_ITRN1;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import vfio.pci.api.device.Memory;

/**
 * Interrupt control of a virtual function: one control register per vector (VFINT_DYN_CTL01 for vector 0, VFINT_DYN_CTLN1
 * for the others), and causes with their enables for vector 0.
 *
 * <p>A vector fires only while INTENA is set, and firing clears INTENA. An event that comes while INTENA is clear is
 * latched and fires when INTENA is set next; no event is lost. Writing SWINT_TRIG is such an event. CLEARPBA drops nothing.
 * A cause of vector 0 that is not enabled is kept in VFINT_ICR01 and becomes an event when it is enabled before it is read.
 *
 * <p>While it is frozen no vector fires; what happens is latched, and registers keep what is written to them.
 *
 * <p>Safe for several threads: the engine raises events, clients write registers.
 */
final class InterruptControl {
    /** Vectors with a control register. */
    static final int VECTORS = 1 + VFINT_DYN_CTLN1.count();

    static final int ICR01_INTEVENT = 1;
    static final int ICR01_ADMINQ = 1 << 30;
    static final int ICR01_SWINT = 1 << 31;

    static final int INTENA = 1;
    static final int CLEARPBA = 1 << 1;
    static final int SWINT_TRIG = 1 << 2;
    static final int WB_ON_ITR = 1 << 30;
    static final int INTENA_MSK = 1 << 31;

    private static final int ICR01 = ICR01_INTEVENT | ICR01_ADMINQ | ICR01_SWINT;
    private static final int NO_ITR = 3;
    private static final int SIZE = 12;
    private static final int READS_AS_ZERO = CLEARPBA | SWINT_TRIG | INTENA_MSK;

    private final Memory registers;
    private final Vectors vectors;
    private final boolean[] latched = new boolean[VECTORS];
    private boolean frozen;

    /** Vectors that must not fire before descriptors have been written back. */
    private long deferring;

    /** Vectors that report something at the end of this round. For the engine's thread. */
    private long due;

    /**
     * @param registers of the function
     * @param vectors called without a lock held
     */
    InterruptControl(Memory registers, Vectors vectors) {
        this.registers = registers;
        this.vectors = vectors;
    }

    /** Where the control register of a vector is. */
    static int control(int vector) {
        return vector == 0 ? VFINT_DYN_CTL01.offset() : VFINT_DYN_CTLN1.at(vector - 1);
    }

    /** Where the throttle interval of a vector is, for one of three ITR indexes. */
    static int throttle(int vector, int itrIndex) {
        return vector == 0 ? VFINT_ITR01.at(itrIndex) : VFINT_ITRN1.at(16 * itrIndex + vector - 1);
    }

    /** Something happened that vector {@code vector} reports. */
    void event(int vector) {
        boolean fires;
        synchronized (this) {
            latched[vector] = true;
            fires = takeDue(vector);
        }
        if (fires) {
            vectors.fire(vector);
        }
    }

    /** Something happened that a vector reports at the end of this round. For the engine's thread. */
    void eventLater(int vector) {
        due |= 1L << vector;
    }

    /** Whether the descriptors of a queue that this vector reports are to be written back without waiting for more. */
    boolean writesBack(int vector) {
        return vector == 0 || (registers.getInt(control(vector)) & (INTENA | WB_ON_ITR)) != 0;
    }

    /** From now on a vector fires from the engine's thread only, which writes descriptors back first. For that thread. */
    synchronized void defer(int vector) {
        deferring |= 1L << vector;
    }

    /** Ends that for all vectors. For the engine's thread. */
    synchronized void endDeferring() {
        deferring = 0;
    }

    /** The round is over. For the engine's thread. */
    void raise() {
        for (long rest = due; rest != 0; rest &= rest - 1) {
            event(Long.numberOfTrailingZeros(rest));
        }
        due = 0;
    }

    /** From now on nothing fires; on return nothing is firing. For the engine's thread, as {@link #thaw}. */
    void freeze() {
        raise();
        synchronized (this) {
            frozen = true;
        }
        vectors.hold();
    }

    /**
     * Fires what has become due.
     *
     * @param all whether to fire all other vectors, too
     */
    void thaw(boolean all) {
        for (int vector = 0; vector < VECTORS; vector++) {
            boolean fires;
            synchronized (this) {
                frozen = false;
                fires = takeDue(vector);
            }
            if (fires) {
                vectors.fire(vector);
            }
        }
        if (all) {
            vectors.fireConnected();
        }
        vectors.release();
    }

    /** What registers do not tell. Bytes: 4 latched vectors, 4 VFINT_ICR01, 4 vectors with something waiting for the unmask. */
    synchronized byte[] encode() {
        long bits = due;
        for (int vector = 0; vector < VECTORS; vector++) {
            bits |= latched[vector] ? 1L << vector : 0;
        }
        return ByteBuffer.allocate(SIZE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt((int) bits)
                .putInt(registers.getInt(VFINT_ICR01.offset()))
                .putInt(vectors.pending())
                .array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in, int queuePairs) {
        int events = in.readInt();
        in.require(events >>> VECTORS == 0, "there are events for the vectors 0x" + Integer.toHexString(events));
        int causes = in.readInt();
        in.require((causes & ~ICR01) == 0, "causes are 0x" + Integer.toHexString(causes));
        int pending = in.readInt();
        in.require(
                pending >>> (queuePairs + 1) == 0,
                "of " + (queuePairs + 1) + " vectors are pending 0x" + Integer.toHexString(pending));
        return () -> {
            restore(events, causes);
            vectors.restorePending(pending);
        };
    }

    private synchronized void restore(int events, int causes) {
        for (int vector = 0; vector < VECTORS; vector++) {
            latched[vector] = (events >>> vector & 1) != 0;
        }
        registers.putInt(VFINT_ICR01.offset(), causes);
    }

    /** Something happened that vector 0 reports if it is enabled. */
    void cause(int bit) {
        boolean fires;
        synchronized (this) {
            addCauses(bit);
            if ((registers.getInt(VFINT_ICR0_ENA1.offset()) & bit) != 0) {
                latched[0] = true;
            }
            fires = takeDue(0);
        }
        if (fires) {
            vectors.fire(0);
        }
    }

    /** Back to power-on; it is not frozen any more. For the engine's thread. */
    void reset() {
        due = 0;
        if (clear()) {
            vectors.restorePending(0);
            vectors.release();
        }
    }

    /** Returns whether it was frozen. */
    private synchronized boolean clear() {
        deferring = 0;
        Arrays.fill(latched, false);
        for (int vector = 0; vector < VECTORS; vector++) {
            registers.putInt(control(vector), 0);
        }
        registers.putInt(VFINT_ICR01.offset(), 0);
        registers.putInt(VFINT_ICR0_ENA1.offset(), 0);
        boolean wasFrozen = frozen;
        frozen = false;
        return wasFrozen;
    }

    /** A write of the control register of a vector. */
    void writeControl(int vector, int value) {
        boolean fires;
        synchronized (this) {
            int control = control(vector);
            int enabled = ((value & INTENA_MSK) != 0 ? registers.getInt(control) : value) & INTENA;
            registers.putInt(control, (value & ~READS_AS_ZERO & ~INTENA) | enabled);
            int itrIndex = (value >> 3) & 3;
            if (itrIndex != NO_ITR) {
                registers.putInt(throttle(vector, itrIndex), (value >> 5) & 0xfff);
            }
            if ((value & SWINT_TRIG) != 0) {
                latched[vector] = true;
                if (vector == 0) {
                    addCauses(ICR01_SWINT);
                }
            }
            fires = (deferring >>> vector & 1) == 0 && takeDue(vector);
        }
        if (fires) {
            vectors.fire(vector);
        }
    }

    /** A write of VFINT_ICR0_ENA1. */
    void writeEnables(int value) {
        boolean fires;
        synchronized (this) {
            int added = value & ~registers.getInt(VFINT_ICR0_ENA1.offset());
            registers.putInt(VFINT_ICR0_ENA1.offset(), value);
            if ((registers.getInt(VFINT_ICR01.offset()) & added & ~ICR01_INTEVENT) != 0) {
                latched[0] = true;
            }
            fires = takeDue(0);
        }
        if (fires) {
            vectors.fire(0);
        }
    }

    /** A read of VFINT_ICR01. */
    synchronized int takeCauses() {
        int causes = registers.getInt(VFINT_ICR01.offset());
        registers.putInt(VFINT_ICR01.offset(), 0);
        return causes;
    }

    private void addCauses(int bit) {
        registers.putInt(VFINT_ICR01.offset(), registers.getInt(VFINT_ICR01.offset()) | bit | ICR01_INTEVENT);
    }

    private boolean takeDue(int vector) {
        int control = registers.getInt(control(vector));
        if (frozen || !latched[vector] || (control & INTENA) == 0) {
            return false;
        }
        latched[vector] = false;
        registers.putInt(control(vector), control & ~INTENA);
        return true;
    }
}
