package vfio.sim.xl710;

import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTL01;
import static vfio.sim.xl710.VfRegister.VFINT_DYN_CTLN1;
import static vfio.sim.xl710.VfRegister.VFINT_ICR01;
import static vfio.sim.xl710.VfRegister.VFINT_ICR0_ENA1;
import static vfio.sim.xl710.VfRegister.VFINT_ITR01;
import static vfio.sim.xl710.VfRegister.VFINT_ITRN1;

import java.util.Arrays;
import java.util.function.IntConsumer;
import vfio.pci.api.device.Memory;

/**
 * Interrupt control of a virtual function: one control register per vector (VFINT_DYN_CTL01 for vector 0, VFINT_DYN_CTLN1
 * for the others), and causes with their enables for vector 0.
 *
 * <p>A vector fires only while INTENA is set, and firing clears INTENA. An event that comes while INTENA is clear is
 * latched and fires when INTENA is set next; no event is lost. Writing SWINT_TRIG is such an event. CLEARPBA drops nothing.
 * A cause of vector 0 that is not enabled is kept in VFINT_ICR01 and becomes an event when it is enabled before it is read.
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
    static final int INTENA_MSK = 1 << 31;

    private static final int NO_ITR = 3;
    private static final int READS_AS_ZERO = CLEARPBA | SWINT_TRIG | INTENA_MSK;

    private final Memory registers;
    private final IntConsumer fire;
    private final boolean[] latched = new boolean[VECTORS];

    /**
     * @param registers of the function
     * @param fire fires a vector; called without a lock held
     */
    InterruptControl(Memory registers, IntConsumer fire) {
        this.registers = registers;
        this.fire = fire;
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
        boolean due;
        synchronized (this) {
            latched[vector] = true;
            due = takeDue(vector);
        }
        if (due) {
            fire.accept(vector);
        }
    }

    /** Something happened that vector 0 reports if it is enabled. */
    void cause(int bit) {
        boolean due;
        synchronized (this) {
            addCauses(bit);
            if ((registers.getInt(VFINT_ICR0_ENA1.offset()) & bit) != 0) {
                latched[0] = true;
            }
            due = takeDue(0);
        }
        if (due) {
            fire.accept(0);
        }
    }

    synchronized void reset() {
        Arrays.fill(latched, false);
        for (int vector = 0; vector < VECTORS; vector++) {
            registers.putInt(control(vector), 0);
        }
        registers.putInt(VFINT_ICR01.offset(), 0);
        registers.putInt(VFINT_ICR0_ENA1.offset(), 0);
    }

    /** A write of the control register of a vector. */
    void writeControl(int vector, int value) {
        boolean due;
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
            due = takeDue(vector);
        }
        if (due) {
            fire.accept(vector);
        }
    }

    /** A write of VFINT_ICR0_ENA1. */
    void writeEnables(int value) {
        boolean due;
        synchronized (this) {
            int added = value & ~registers.getInt(VFINT_ICR0_ENA1.offset());
            registers.putInt(VFINT_ICR0_ENA1.offset(), value);
            if ((registers.getInt(VFINT_ICR01.offset()) & added & ~ICR01_INTEVENT) != 0) {
                latched[0] = true;
            }
            due = takeDue(0);
        }
        if (due) {
            fire.accept(0);
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
        if (!latched[vector] || (control & INTENA) == 0) {
            return false;
        }
        latched[vector] = false;
        registers.putInt(control(vector), control & ~INTENA);
        return true;
    }
}
