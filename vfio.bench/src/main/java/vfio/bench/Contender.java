package vfio.bench;

import java.io.IOException;

/** One way to make a round trip to another process. */
interface Contender extends AutoCloseable {
    /** For the table. */
    String name();

    /**
     * Makes round trips, one after the other.
     *
     * @param count how many
     * @return how long each took, in nanoseconds
     */
    long[] run(int count) throws IOException;

    @Override
    void close() throws IOException;

    /** One round trip. */
    @FunctionalInterface
    interface RoundTrip {
        void make() throws IOException;
    }

    /** Makes round trips from this process, timing each. */
    static long[] time(int count, RoundTrip roundTrip) throws IOException {
        long[] nanos = new long[count];
        long before = System.nanoTime();
        for (int index = 0; index < count; index++) {
            roundTrip.make();
            long after = System.nanoTime();
            nanos[index] = after - before;
            before = after;
        }
        return nanos;
    }
}
