package vfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * The memory of a process that is in RAM.
 *
 * @param rssKibibytes all of it, shared pages counted in full
 * @param pssKibibytes shared pages divided by the number of processes that share them
 */
record ResidentMemory(long rssKibibytes, long pssKibibytes) {
    private static final Duration BETWEEN = Duration.ofMillis(100);
    private static final int UNCHANGED = 5;
    private static final int AT_MOST = 100;
    private static final double TOLERANCE = 0.01;

    /** What a process has once it has stopped growing, or after ten seconds. */
    static ResidentMemory settled(long pid) throws IOException {
        ResidentMemory reference = of(pid);
        int unchanged = 0;
        for (int reading = 0; unchanged < UNCHANGED && reading < AT_MOST; reading++) {
            LockSupport.parkNanos(BETWEEN.toNanos());
            ResidentMemory now = of(pid);
            boolean same = Math.abs(now.rssKibibytes - reference.rssKibibytes) <= TOLERANCE * reference.rssKibibytes;
            unchanged = same ? unchanged + 1 : 0;
            reference = same ? reference : now;
        }
        return of(pid);
    }

    double rssMebibytes() {
        return rssKibibytes / 1024.0;
    }

    double pssMebibytes() {
        return pssKibibytes / 1024.0;
    }

    private static ResidentMemory of(long pid) throws IOException {
        Path process = Path.of("/proc", Long.toString(pid));
        return new ResidentMemory(
                kibibytes(process.resolve("status"), "VmRSS:"), kibibytes(process.resolve("smaps_rollup"), "Pss:"));
    }

    private static long kibibytes(Path file, String name) throws IOException {
        for (String line : Files.readAllLines(file)) {
            if (line.startsWith(name)) {
                return Long.parseLong(
                        line.substring(name.length()).replace("kB", "").trim());
            }
        }
        throw new IllegalStateException(file + " has no " + name);
    }
}
