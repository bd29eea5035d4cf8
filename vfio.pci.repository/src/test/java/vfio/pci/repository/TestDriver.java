package vfio.pci.repository;

import java.util.Map;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;

/** The code of the bundles that {@link BundleBuilder} makes. What it does is said by the header {@code Test-Driver}. */
public final class TestDriver implements BundleActivator {
    @Override
    public void start(BundleContext context) throws Exception {
        String behaviour = context.getBundle().getHeaders().get("Test-Driver");
        if ("fail".equals(behaviour)) {
            throw new IllegalStateException("no firmware");
        }
        if ("hang".equals(behaviour)) {
            Thread.currentThread().join();
        }
        if (!"silent".equals(behaviour)) {
            context.registerService(
                    MediateOps.class,
                    lent -> Decision.decline("it is a test"),
                    FrameworkUtil.asDictionary(
                            Map.of(MediateOps.NAME, context.getBundle().getSymbolicName())));
        }
    }

    @Override
    public void stop(BundleContext context) {}
}
