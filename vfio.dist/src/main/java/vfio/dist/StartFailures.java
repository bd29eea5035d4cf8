package vfio.dist;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.FrameworkListener;

/** Keeps, and logs, why bundles failed: the framework tells it in events and nowhere else. */
final class StartFailures implements FrameworkListener {
    private static final System.Logger LOG = System.getLogger(StartFailures.class.getName());

    private final Map<Bundle, Throwable> failures = new ConcurrentHashMap<>();

    @Override
    public void frameworkEvent(FrameworkEvent event) {
        Throwable failure = event.getThrowable();
        if (event.getType() == FrameworkEvent.ERROR && failure != null) {
            failures.put(event.getBundle(), failure);
            LOG.log(System.Logger.Level.ERROR, event.getBundle().toString(), failure);
        }
    }

    /** The last failure of a bundle, or null. */
    @Nullable
    Throwable of(Bundle bundle) {
        return failures.get(bundle);
    }
}
