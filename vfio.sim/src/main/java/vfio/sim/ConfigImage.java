package vfio.sim;

/**
 * A piece of configuration space: for every bit its reset value, whether it can be written, and whether writing 1 clears it.
 * Bits that are neither are read-only.
 */
final class ConfigImage {
    private final byte[] reset;
    private final byte[] writable;
    private final byte[] clearable;

    ConfigImage(int size) {
        reset = new byte[size];
        writable = new byte[size];
        clearable = new byte[size];
    }

    int size() {
        return reset.length;
    }

    byte[] copyReset() {
        return reset.clone();
    }

    byte[] copyWritable() {
        return writable.clone();
    }

    byte[] copyClearable() {
        return clearable.clone();
    }

    /** Defines a little-endian field of 1 to 8 bytes. */
    ConfigImage field(int offset, int width, long resetValue, long writableMask) {
        store(reset, offset, width, resetValue);
        store(writable, offset, width, writableMask);
        return this;
    }

    /** Defines a read-only field. */
    ConfigImage constant(int offset, int width, long value) {
        return field(offset, width, value, 0);
    }

    /** Marks bits of a field as write-1-to-clear. */
    ConfigImage clearOnWrite(int offset, int width, long mask) {
        store(clearable, offset, width, mask);
        return this;
    }

    /** Copies a piece into this one. */
    void insert(int offset, ConfigImage piece) {
        System.arraycopy(piece.reset, 0, reset, offset, piece.size());
        System.arraycopy(piece.writable, 0, writable, offset, piece.size());
        System.arraycopy(piece.clearable, 0, clearable, offset, piece.size());
    }

    private static void store(byte[] target, int offset, int width, long value) {
        for (int index = 0; index < width; index++) {
            target[offset + index] = (byte) (value >>> (8 * index));
        }
    }
}
