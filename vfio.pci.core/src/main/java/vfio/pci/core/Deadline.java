package vfio.pci.core;

import java.time.Duration;

/** The time that the calls of one transition share. */
final class Deadline {
    private final long start = System.nanoTime();
    private final Duration limit;

    Deadline(Duration limit) {
        this.limit = limit;
    }

    Duration elapsed() {
        return Duration.ofNanos(System.nanoTime() - start);
    }

    /** What is left; never so little that a quick answer could be missed. */
    Duration remaining() {
        Duration rest = limit.minus(elapsed());
        Duration least = limit.dividedBy(10);
        return rest.compareTo(least) > 0 ? rest : least;
    }
}
