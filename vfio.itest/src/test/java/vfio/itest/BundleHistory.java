package vfio.itest;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.SynchronousBundleListener;

/** What happens to the bundles of a framework, whichever they are. */
final class BundleHistory implements AutoCloseable {
    private static final Map<Integer, String> NOTED = Map.of(
            BundleEvent.INSTALLED, "installed",
            BundleEvent.STARTED, "started",
            BundleEvent.STOPPED, "stopped",
            BundleEvent.UPDATED, "updated",
            BundleEvent.UNINSTALLED, "uninstalled");

    private final BundleContext context;
    private final List<String> events = new CopyOnWriteArrayList<>();
    private final SynchronousBundleListener listener = event -> {
        String noted = NOTED.get(event.getType());
        if (noted != null) {
            events.add(noted + " " + event.getBundle().getSymbolicName());
        }
    };

    BundleHistory(BundleContext context) {
        this.context = context;
        context.addBundleListener(listener);
    }

    /** Everything since it was forgotten last, in order: {@code stopped mediate.igd}. */
    List<String> events() {
        return List.copyOf(events);
    }

    void forget() {
        events.clear();
    }

    @Override
    public void close() {
        context.removeBundleListener(listener);
    }
}
