package vfio.sim;

import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.pci.PciConfig;

/**
 * The configuration space of a function. Accesses of any width and alignment work byte by byte.
 *
 * <p>What a write causes is told to the function after the bytes have changed and without any lock held.
 */
final class ConfigSpace {
    /** What configuration space controls. */
    interface Function {
        /** A function level reset was requested. */
        void reset();

        /** The command register may have changed. */
        void commandWritten();

        /** Whether the function requests an INTx interrupt, the Interrupt Status bit. */
        boolean interruptRequested();
    }

    private final Function function;
    private final byte[] resetValues;
    private final byte[] writable;
    private final byte[] clearable;
    private final Capability.ResetTrigger[] resetTriggers;
    private final byte[] values;

    ConfigSpace(FunctionLayout layout, Function function) {
        this.function = function;
        resetValues = layout.config().copyReset();
        writable = layout.config().copyWritable();
        clearable = layout.config().copyClearable();
        resetTriggers = layout.resetTriggers().toArray(new Capability.ResetTrigger[0]);
        values = resetValues.clone();
    }

    int size() {
        return values.length;
    }

    void read(RegionAccess access) {
        int base = (int) access.offset();
        int interruptStatus = function.interruptRequested() ? PciConfig.STATUS_INTERRUPT : 0;
        synchronized (this) {
            for (int index = 0; index < access.length(); index++) {
                int offset = base + index;
                access.put(
                        index, offset == PciConfig.STATUS ? (byte) (values[offset] | interruptStatus) : values[offset]);
            }
        }
    }

    void write(RegionAccess access) {
        int base = (int) access.offset();
        synchronized (this) {
            for (int index = 0; index < access.length(); index++) {
                int offset = base + index;
                byte written = access.get(index);
                int kept = values[offset] & ~writable[offset] & ~(clearable[offset] & written);
                values[offset] = (byte) (kept | (written & writable[offset]));
            }
        }
        if (resetRequested(access)) {
            function.reset();
        } else if (base < PciConfig.COMMAND + 2 && base + access.length() > PciConfig.COMMAND) {
            function.commandWritten();
        }
    }

    synchronized int command() {
        return (values[PciConfig.COMMAND] & 0xff) | ((values[PciConfig.COMMAND + 1] & 0xff) << 8);
    }

    /** Gives a read-only field another value, which is its value after power-on too. */
    synchronized void constant(int offset, int width, long value) {
        for (int index = 0; index < width; index++) {
            byte part = (byte) (value >>> (Byte.SIZE * index));
            resetValues[offset + index] = part;
            values[offset + index] = part;
        }
    }

    /** Brings every register back to its value after power-on. */
    synchronized void reset() {
        System.arraycopy(resetValues, 0, values, 0, values.length);
    }

    private boolean resetRequested(RegionAccess access) {
        for (Capability.ResetTrigger trigger : resetTriggers) {
            long index = trigger.offset() - access.offset();
            if (index >= 0 && index < access.length() && (access.get((int) index) & trigger.bit()) != 0) {
                return true;
            }
        }
        return false;
    }
}
