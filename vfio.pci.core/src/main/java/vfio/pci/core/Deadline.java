package vfio.pci.core;

import java.time.Duration;

/** The time that the steps of one transition share. Each has a part of its own at least, whatever those before it took. */
final class Deadline {
    private static final int PARTS = 10;

    private final long start = System.nanoTime();
    private final Duration limit;

    /**
     * A step of a transition, in order: of a departure, then of an opening; both end with who is asked last. After a departure
     * the mediation must be gone well before accesses may wait no longer: its siblings wait for a new version that comes when
     * all of them are gone.
     */
    enum Step {
        CALLS_INSIDE(4),
        SUSPEND(6),
        CLOSE(7),
        FIRST_CHOICE(4),
        LOAD(9),
        SUCCESSOR(PARTS);

        /** How many parts of the time may have passed when it ends. */
        private final int parts;

        Step(int parts) {
            this.parts = parts;
        }
    }

    Deadline(Duration limit) {
        this.limit = limit;
    }

    Duration elapsed() {
        return Duration.ofNanos(System.nanoTime() - start);
    }

    /** What is left for a step; never so little that a quick answer could be missed. */
    Duration remaining(Step step) {
        Duration part = limit.dividedBy(PARTS);
        Duration rest = part.multipliedBy(step.parts).minus(elapsed());
        return rest.compareTo(part) > 0 ? rest : part;
    }
}
