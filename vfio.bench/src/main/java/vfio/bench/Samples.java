package vfio.bench;

import java.util.Arrays;

/** Durations of one kind of event, as they were measured. */
final class Samples {
    private long[] nanos = new long[0];

    /** Adds the durations, in nanoseconds. */
    void add(long[] more) {
        int count = nanos.length;
        nanos = Arrays.copyOf(nanos, count + more.length);
        System.arraycopy(more, 0, nanos, count, more.length);
    }

    /**
     * The smallest duration that at least that part of all durations does not exceed.
     *
     * @param part in (0, 1]; 0.5 is the median
     * @return microseconds
     */
    double micros(double part) {
        return percentile(nanos, part) / 1e3;
    }

    /** See {@link #micros}; in the unit of the values. */
    static double percentile(long[] values, double part) {
        long[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[index(sorted.length, part)];
    }

    /** The middle value; of an even number of values the lower one of the two in the middle. */
    static double median(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[index(sorted.length, 0.5)];
    }

    private static int index(int count, double part) {
        if (count == 0 || part <= 0 || part > 1) {
            throw new IllegalArgumentException("part " + part + " of " + count + " values");
        }
        return (int) Math.ceil(part * count) - 1;
    }
}
