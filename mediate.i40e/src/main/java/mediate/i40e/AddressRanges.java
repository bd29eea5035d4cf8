package mediate.i40e;

import java.util.Arrays;

/** Ranges of client memory, in a list that grows. */
final class AddressRanges {
    private long[] numbers = new long[64];
    private int size;

    void add(long iova, long length) {
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
