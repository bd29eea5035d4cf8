package vfio.pci.core;

import java.io.PrintWriter;
import java.io.Writer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Contains what vendor code throws: one errno for the request, one count for the driver, one log entry for each distinct
 * fault however often it happens, since a guest can provoke it at will.
 */
final class VendorFaults {
    private static final int DISTINCT_LIMIT = 256;
    private static final Logger LOGGER = System.getLogger(VendorFaults.class.getPackageName());

    private final Map<String, AtomicLong> counts = new ConcurrentHashMap<>();

    /**
     * Turns a throwable of a mediation into the failure of the request. A {@link VfioException} is the vendor's own answer
     * and passes as it is.
     *
     * @param mediator whose mediation it is; null for the empty one
     */
    VfioException contain(@Nullable Mediator mediator, String call, Throwable thrown) {
        if (thrown instanceof VfioException answer) {
            return answer;
        }
        return mediator == null
                ? new VfioException(Errno.EIO, "pass-through failed in " + call, thrown)
                : defect(mediator, call, thrown);
    }

    /** Counts and reports a throwable of a vendor method that nothing excuses. */
    VfioException defect(Mediator mediator, String call, Throwable vendors) {
        mediator.failed();
        Throwable thrown = printable(vendors);
        String message = mediator.name() + " failed in " + call + ": " + thrown;
        StackTraceElement[] stack = thrown.getStackTrace();
        String key = message + (stack.length == 0 ? "" : stack[0]);
        if (counts.size() < DISTINCT_LIMIT || counts.containsKey(key)) {
            if (counts.computeIfAbsent(key, unused -> new AtomicLong()).incrementAndGet() == 1) {
                LOGGER.log(
                        Level.ERROR,
                        message + " (repetitions are counted in vfio:mediators, not logged; report it to the vendor)",
                        thrown);
            }
        }
        return new VfioException(Errno.EIO, message, thrown);
    }

    /** The throwable, or what is known of it if it cannot be printed: it may need a class that went with its bundle. */
    static Throwable printable(Throwable thrown) {
        try {
            thrown.printStackTrace(new PrintWriter(Writer.nullWriter()));
            return thrown;
        } catch (Throwable unprintable) {
            return new IllegalStateException(thrown.getClass().getName() + ", which cannot be printed");
        }
    }
}
