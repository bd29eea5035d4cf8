package mediate.i40e;

import java.util.Arrays;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Ranges of client memory, in a list that grows, but no further than a driver makes it that behaves. */
final class AddressRanges {
    private static final int NUMBERS_MAXIMUM = 1 << 17;

    private long[] numbers = new long[64];
    private int size;

    /** @throws VfioException ENOSPC if there are too many */
    void add(long iova, long length) {
        if (size == NUMBERS_MAXIMUM) {
            throw new VfioException(Errno.ENOSPC, "too much memory is not in use any more at once");
        }
        if (size == numbers.length) {
            numbers = Arrays.copyOf(numbers, 2 * size);
        }
        numbers[size++] = iova;
        numbers[size++] = length;
    }

    void mark(DirtyPages dirty) {
        for (int at = 0; at < size; at += 2) {
            dirty.mark(numbers[at], numbers[at + 1]);
        }
    }

    void clear() {
        size = 0;
    }
}
