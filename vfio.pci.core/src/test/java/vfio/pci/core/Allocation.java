package vfio.pci.core;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/** Measures what a piece of code allocates in steady state. */
final class Allocation {
    private static final int WARM_UP = 20_000;
    private static final int CALLS = 10_000;

    private Allocation() {}

    /**
     * Bytes that the calling thread allocates in {@value #CALLS} calls. The least of several rounds counts, as the runtime
     * itself allocates now and then, for example when it compiles.
     */
    static long bytes(Runnable call) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        repeat(call, WARM_UP);
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 5; round++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            repeat(call, CALLS);
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        return least;
    }

    private static void repeat(Runnable call, int times) {
        for (int count = 0; count < times; count++) {
            call.run();
        }
    }
}
