package vfio.sim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;
import vfio.pci.api.device.Memory;

/**
 * Interrupt control of an XL710 VF: one control register per vector (VFINT_DYN_CTL01 for vector 0, VFINT_DYN_CTLN1 for the
 * others) and the cause register of vector 0 (VFINT_ICR01).
 *
 * <p>A vector fires only while INTENA is set, and firing clears INTENA. An event that comes while INTENA is clear is
 * latched and fires when INTENA is set next; no event is lost. Writing SWINT_TRIG is such an event. CLEARPBA drops nothing.
 */
final class Xl710VfInterrupts {
    /** Vectors with a control register. */
    static final int VECTORS = 17;

    static final int ICR01 = 0x4800;
    static final int ICR01_INTEVENT = 1;
    static final int ICR01_SWINT = 1 << 31;

    static final int INTENA = 1;
    static final int CLEARPBA = 1 << 1;
    static final int SWINT_TRIG = 1 << 2;
    static final int INTENA_MSK = 1 << 31;

    private static final int DYN_CTL01 = 0x5c00;
    private static final int DYN_CTLN1 = 0x3800;
    private static final int ITR01 = 0x4c00;
    private static final int ITRN1 = 0x2800;

    private static final int NO_ITR = 3;
    private static final int READS_AS_ZERO = CLEARPBA | SWINT_TRIG | INTENA_MSK;

    private final Memory memory;
    private final IntConsumer fire;
    private final boolean[] latched = new boolean[VECTORS];

    /**
     * @param memory the registers
     * @param fire fires a vector; called without a lock held
     */
    Xl710VfInterrupts(Memory memory, IntConsumer fire) {
        this.memory = memory;
        this.fire = fire;
    }

    List<Register> registers() {
        List<Register> registers = new ArrayList<>();
        registers.add(Register.at(ICR01, "VFINT_ICR01").onRead(this::takeCauses).readOnly());
        for (int number = 0; number < VECTORS; number++) {
            int vector = number;
            String name = vector == 0 ? "VFINT_DYN_CTL01" : "VFINT_DYN_CTLN1 " + (vector - 1);
            registers.add(Register.at(control(vector), name).onWrite(value -> write(vector, (int) value)));
        }
        return registers;
    }

    /** Where the control register of a vector is. */
    static int control(int vector) {
        return vector == 0 ? DYN_CTL01 : DYN_CTLN1 + 4 * (vector - 1);
    }

    /** Where the throttle interval of a vector is, for one of three ITR indexes. */
    static int throttle(int vector, int itrIndex) {
        return vector == 0 ? ITR01 + 4 * itrIndex : ITRN1 + 64 * itrIndex + 4 * (vector - 1);
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

    synchronized void reset() {
        Arrays.fill(latched, false);
    }

    private void write(int vector, int value) {
        boolean due;
        synchronized (this) {
            int control = control(vector);
            int enabled = ((value & INTENA_MSK) != 0 ? memory.getInt(control) : value) & INTENA;
            memory.putInt(control, (value & ~READS_AS_ZERO & ~INTENA) | enabled);
            int itrIndex = (value >> 3) & 3;
            if (itrIndex != NO_ITR) {
                memory.putInt(throttle(vector, itrIndex), (value >> 5) & 0xfff);
            }
            if ((value & SWINT_TRIG) != 0) {
                latched[vector] = true;
                if (vector == 0) {
                    memory.putInt(ICR01, memory.getInt(ICR01) | ICR01_SWINT | ICR01_INTEVENT);
                }
            }
            due = takeDue(vector);
        }
        if (due) {
            fire.accept(vector);
        }
    }

    private synchronized long takeCauses() {
        int causes = memory.getInt(ICR01);
        memory.putInt(ICR01, 0);
        return causes & 0xffff_ffffL;
    }

    private boolean takeDue(int vector) {
        int control = memory.getInt(control(vector));
        if (!latched[vector] || (control & INTENA) == 0) {
            return false;
        }
        latched[vector] = false;
        memory.putInt(control(vector), control & ~INTENA);
        return true;
    }
}
