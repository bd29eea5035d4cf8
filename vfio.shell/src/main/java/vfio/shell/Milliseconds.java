package vfio.shell;

import java.time.Duration;
import java.util.Locale;

/** How times are shown. */
final class Milliseconds {
    private Milliseconds() {}

    /** With three digits behind the point. */
    static String text(Duration duration) {
        return String.format(Locale.ROOT, "%.3f ms", duration.toNanos() / 1e6);
    }
}
