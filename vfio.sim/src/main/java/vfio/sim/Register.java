package vfio.sim;

import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A register in a BAR that is more than storage.
 *
 * @param name as in the device's documentation
 * @param offset in the BAR, a multiple of the width
 * @param width bytes, 4 or 8
 * @param reset value after a reset
 * @param writable the bits that a write changes; used unless {@code onWrite} is given
 * @param onRead gives the value a client reads; null for what is stored
 * @param onWrite takes the value a client writes, instead of it being stored; null to store it
 * @param doorbell is called after a client's write has been stored; null for nobody. The page may be mapped all the same, so
 *     whoever is called has to find out by himself what is written there
 */
record Register(
        String name,
        int offset,
        int width,
        long reset,
        long writable,
        @Nullable LongSupplier onRead,
        @Nullable LongConsumer onWrite,
        @Nullable Runnable doorbell) {
    Register {
        if ((width != 4 && width != 8) || offset < 0 || offset % width != 0) {
            throw new IllegalArgumentException(name + " at " + offset + " is no register of " + width + " bytes");
        }
    }

    /** Storage of 4 bytes with all bits writable. */
    static Register at(int offset, String name) {
        return new Register(name, offset, 4, 0, 0xffff_ffffL, null, null, null);
    }

    /** Storage of 8 bytes with all bits writable. */
    static Register wideAt(int offset, String name) {
        return new Register(name, offset, 8, 0, -1, null, null, null);
    }

    Register reset(long value) {
        return new Register(name, offset, width, value, writable, onRead, onWrite, doorbell);
    }

    Register writable(long mask) {
        return new Register(name, offset, width, reset, mask, onRead, onWrite, doorbell);
    }

    Register readOnly() {
        return writable(0);
    }

    Register onRead(LongSupplier handler) {
        return new Register(name, offset, width, reset, writable, handler, onWrite, doorbell);
    }

    Register onWrite(LongConsumer handler) {
        return new Register(name, offset, width, reset, writable, onRead, handler, doorbell);
    }

    Register doorbell(Runnable handler) {
        return new Register(name, offset, width, reset, writable, onRead, onWrite, handler);
    }

    /** Whether an access does anything that plain memory would not do, so that the page must stay trapped. */
    boolean hasBehaviour() {
        long all = width == 4 ? 0xffff_ffffL : -1;
        return onRead != null || onWrite != null || (writable & all) != all;
    }

    int end() {
        return offset + width;
    }
}
