package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.Version;

class VersionCommandTest {
    private static final String SHA = "0123456789abcdef0123456789abcdef01234567";

    @Test
    void listsOurBundlesWithTheirRevisions() {
        Bundle shell = bundle(
                "vfio.shell",
                Bundle.ACTIVE,
                Map.of("Bundle-Vendor", "vfio.mediate", "Git-SHA", SHA, "Git-Descriptor", "v1-3-g0123456"));
        Bundle igd = bundle("mediate.igd", Bundle.INSTALLED, Map.of("Bundle-Vendor", "vfio.mediate"));
        Bundle other = bundle(
                "org.apache.felix.scr", Bundle.ACTIVE, Map.of("Bundle-Vendor", "The Apache Software Foundation"));
        Bundle nobody = bundle("anonymous", Bundle.ACTIVE, Map.of());

        assertThat(new VersionCommand(context(shell, other, igd, nobody))
                        .version()
                        .inspect())
                .isEqualTo("""
                        bundle       version  state                    Git-Descriptor  Git-SHA
                        mediate.igd  0.1.0    installed, not resolved  -               not built from a Git tree
                        vfio.shell   0.1.0    active                   v1-3-g0123456   %s""".formatted(SHA));
    }

    private static BundleContext context(Bundle own, Bundle... others) {
        List<Bundle> all = new ArrayList<>(List.of(others));
        all.add(own);
        return proxy(BundleContext.class, Map.of("getBundle", own, "getBundles", all.toArray(Bundle[]::new)));
    }

    private static Bundle bundle(String name, int state, Map<String, String> headers) {
        return proxy(
                Bundle.class,
                Map.of(
                        "getSymbolicName",
                        name,
                        "getVersion",
                        new Version(0, 1, 0),
                        "getState",
                        state,
                        "getHeaders",
                        FrameworkUtil.asDictionary(headers)));
    }

    private static <T> T proxy(Class<T> type, Map<String, Object> answers) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> answers.get(method.getName())));
    }
}
