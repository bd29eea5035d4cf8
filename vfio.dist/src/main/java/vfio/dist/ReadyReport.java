package vfio.dist;

import java.time.Duration;
import java.util.Collection;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;

/**
 * Waits until a bundle reports that every device accepts connections.
 *
 * <p>The report is a service of a JDK type, the only ones that the launcher and the bundles share: a {@link Supplier} with
 * the property {@code vfio.report=ready}. It answers null as long as it is too early, then the text to print.
 */
final class ReadyReport {
    private static final String FILTER = "(vfio.report=ready)";
    private static final long RECHECK_NANOS = Duration.ofMillis(10).toNanos();

    private final BundleContext context;

    ReadyReport(BundleContext context) {
        this.context = context;
    }

    /**
     * Waits for the report.
     *
     * @return the text to print; empty if there was none in time
     * @throws IllegalStateException if the framework stops meanwhile
     */
    Optional<String> await(Duration limit) {
        long start = System.nanoTime();
        String text = text();
        while (text == null && System.nanoTime() - start < limit.toNanos()) {
            LockSupport.parkNanos(RECHECK_NANOS);
            text = text();
        }
        return Optional.ofNullable(text);
    }

    @SuppressWarnings("rawtypes")
    private @Nullable String text() {
        for (ServiceReference<Supplier> reference : references()) {
            Supplier<?> report = context.getService(reference);
            if (report != null) {
                try {
                    return (String) report.get();
                } finally {
                    context.ungetService(reference);
                }
            }
        }
        return null;
    }

    @SuppressWarnings("rawtypes")
    private Collection<ServiceReference<Supplier>> references() {
        try {
            return context.getServiceReferences(Supplier.class, FILTER);
        } catch (InvalidSyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
