package vfio.dist;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.osgi.framework.Bundle;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.wiring.BundleRevision;

/** Why a runtime does not get ready: bundles that do not run, services that a bundle promises but does not offer. */
final class Diagnosis {
    private static final String SERVICE_NAMESPACE = "osgi.service";

    /** Without these there is no runtime. Names, because the launcher does not share the classes. */
    private static final List<String> REQUIRED =
            List.of("vfio.pci.api.manage.DeviceManager", "vfio.pci.api.manage.DeviceServer");

    private Diagnosis() {}

    /** Sentences, one for each finding; empty if everything looks well. */
    static List<String> of(Collection<Bundle> expected, StartFailures failures) {
        List<String> findings = new ArrayList<>();
        REQUIRED.stream()
                .filter(service -> expected.stream().noneMatch(bundle -> offers(bundle, service)))
                .forEach(service -> findings.add("no bundle offers " + service));
        for (Bundle bundle : expected) {
            if (bundle.getState() != Bundle.ACTIVE) {
                Throwable failure = failures.of(bundle);
                findings.add("bundle " + bundle.getSymbolicName() + " is " + state(bundle)
                        + (failure == null ? "" : ": " + failure.getMessage()));
            } else {
                promised(bundle)
                        .filter(service -> !offers(bundle, service))
                        .forEach(service -> findings.add("bundle " + bundle.getSymbolicName()
                                + " does not offer its service " + service
                                + ": a reference or the configuration of its component is missing"));
            }
        }
        return findings;
    }

    static List<String> inactive(Collection<Bundle> expected) {
        return expected.stream()
                .filter(bundle -> bundle.getState() != Bundle.ACTIVE)
                .map(Bundle::getSymbolicName)
                .toList();
    }

    private static Stream<String> promised(Bundle bundle) {
        return bundle.adapt(BundleRevision.class).getDeclaredCapabilities(SERVICE_NAMESPACE).stream()
                .map(capability -> capability.getAttributes().get(Constants.OBJECTCLASS))
                .flatMap(names -> names instanceof Collection<?> all ? all.stream() : Stream.ofNullable(names))
                .map(Object::toString)
                .distinct();
    }

    private static boolean offers(Bundle bundle, String service) {
        ServiceReference<?>[] offered = bundle.getRegisteredServices();
        return offered != null
                && Arrays.stream(offered)
                        .map(reference -> (String[]) reference.getProperty(Constants.OBJECTCLASS))
                        .filter(Objects::nonNull)
                        .anyMatch(names -> Arrays.asList(names).contains(service));
    }

    private static String state(Bundle bundle) {
        return switch (bundle.getState()) {
            case Bundle.INSTALLED -> "not resolved";
            case Bundle.RESOLVED -> "not started";
            case Bundle.STARTING -> "starting";
            case Bundle.STOPPING -> "stopping";
            default -> "uninstalled";
        };
    }
}
