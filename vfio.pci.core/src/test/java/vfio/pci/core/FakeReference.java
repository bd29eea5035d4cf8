package vfio.pci.core;

import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.Dictionary;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.Version;
import vfio.pci.api.mediate.MediateOps;

/** The reference of a driver of the bundle {@code vendor.bundle}, version 1.2.3; its properties can be changed. */
final class FakeReference implements ServiceReference<MediateOps> {
    static final String BUNDLE = "vendor.bundle";

    final Map<String, Object> properties = new ConcurrentHashMap<>();
    private @Nullable Bundle bundle = bundle();

    private FakeReference(long serviceId) {
        properties.put(Constants.SERVICE_ID, serviceId);
    }

    /** A driver without name and ranking. */
    static FakeReference of(long serviceId) {
        return new FakeReference(serviceId);
    }

    static FakeReference of(long serviceId, int ranking, String name) {
        return of(serviceId).with(Constants.SERVICE_RANKING, ranking).with(MediateOps.NAME, name);
    }

    FakeReference with(String key, Object value) {
        properties.put(key, value);
        return this;
    }

    /** As a framework does: the reference forgets its bundle and keeps its properties. */
    void unregister() {
        bundle = null;
    }

    @Override
    public @Nullable Object getProperty(String key) {
        return properties.get(key);
    }

    @Override
    public String[] getPropertyKeys() {
        return properties.keySet().toArray(String[]::new);
    }

    @Override
    public @Nullable Bundle getBundle() {
        return bundle;
    }

    @Override
    public Bundle[] getUsingBundles() {
        return new Bundle[0];
    }

    @Override
    public boolean isAssignableTo(Bundle user, String className) {
        return true;
    }

    @Override
    public int compareTo(Object reference) {
        throw new UnsupportedOperationException("the core orders drivers itself");
    }

    @Override
    public Dictionary<String, Object> getProperties() {
        return FrameworkUtil.asDictionary(properties);
    }

    @Override
    public <A> @Nullable A adapt(Class<A> type) {
        return null;
    }

    private static Bundle bundle() {
        return (Bundle) Proxy.newProxyInstance(
                Bundle.class.getClassLoader(),
                new Class<?>[] {Bundle.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "getSymbolicName" -> BUNDLE;
                    case "getBundleId" -> 1L;
                    case "getVersion" -> new Version(1, 2, 3);
                    case "toString" -> BUNDLE;
                    default -> throw new UnsupportedOperationException(method + Arrays.toString(arguments));
                });
    }
}
