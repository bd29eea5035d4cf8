package mediate.i40e;

import java.lang.System.Logger.Level;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/** What trackers of one function have done. Why one lost sight is logged once for each reason, since a guest may cause it. */
final class TrackingLog {
    private final System.Logger logger;
    private final LongAdder marked = new LongAdder();
    private final LongAdder doubts = new LongAdder();
    private final Set<String> told = ConcurrentHashMap.newKeySet();

    TrackingLog(System.Logger logger) {
        this.logger = logger;
    }

    /** Pages that were marked. */
    LongAdder marked() {
        return marked;
    }

    /** How often it was not known what had been written. */
    long doubts() {
        return doubts.sum();
    }

    /**
     * It is not known what has been written.
     *
     * @param reason one of few
     */
    void doubt(String reason, String detail) {
        doubts.increment();
        if (told.add(reason)) {
            logger.log(Level.WARNING, "all memory counts as written for a while: {0}{1}", reason, detail);
        }
    }
}
