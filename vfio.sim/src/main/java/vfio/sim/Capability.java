package vfio.sim;

import org.jspecify.annotations.Nullable;
import vfio.pci.api.pci.PciConfig;

/**
 * A capability in configuration space. Its place in the list is filled in by {@link FunctionLayout}.
 *
 * @param id capability id
 * @param version version of an extended capability; 0 for a conventional one
 * @param offset where it starts
 * @param body its registers; the header at the start is left zero
 * @param vectors the interrupt type it brings, if any
 * @param resetTrigger the bit in it that resets the function when written as 1, if any
 */
record Capability(
        int id,
        int version,
        int offset,
        ConfigImage body,
        @Nullable Vectors vectors,
        @Nullable ResetTrigger resetTrigger) {
    /** Interrupt vectors of one type. */
    record Vectors(int index, int count) {}

    /**
     * A bit that resets the function and always reads as zero.
     *
     * @param offset byte, relative to the capability
     * @param bit mask within that byte
     */
    record ResetTrigger(int offset, int bit) {
        ResetTrigger from(int base) {
            return new ResetTrigger(base + offset, bit);
        }
    }

    Capability {
        boolean placeFits = version == 0
                ? offset >= 0x40 && offset + body.size() <= PciConfig.SIZE
                : offset >= PciConfig.SIZE && offset + body.size() <= PciConfig.EXTENDED_SIZE;
        if ((offset & 3) != 0 || !placeFits) {
            throw new IllegalArgumentException(
                    "capability 0x" + Integer.toHexString(id) + " does not fit at 0x" + Integer.toHexString(offset));
        }
    }

    static Capability conventional(int id, int offset, ConfigImage body) {
        return new Capability(id, 0, offset, body, null, null);
    }

    static Capability extended(int id, int version, int offset, ConfigImage body) {
        return new Capability(id, version, offset, body, null, null);
    }

    Capability withVectors(int index, int count) {
        return new Capability(id, version, offset, body, new Vectors(index, count), resetTrigger);
    }

    Capability withResetTrigger(int triggerOffset, int bit) {
        return new Capability(id, version, offset, body, vectors, new ResetTrigger(triggerOffset, bit));
    }

    boolean isExtended() {
        return version > 0;
    }
}
