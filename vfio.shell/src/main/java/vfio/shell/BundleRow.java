package vfio.shell;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.osgi.framework.Bundle;

/**
 * One of our bundles and where it comes from.
 *
 * @param bundle symbolic name
 * @param version its version
 * @param state its life-cycle state
 * @param descriptor {@code git describe} of the tree it was built from
 * @param sha Git revision it was built from
 */
record BundleRow(String bundle, String version, String state, String descriptor, String sha) implements Row {
    private static final Map<Integer, String> STATES = Map.of(
            Bundle.INSTALLED, "installed, not resolved",
            Bundle.RESOLVED, "resolved, not started",
            Bundle.STARTING, "starting",
            Bundle.ACTIVE, "active",
            Bundle.STOPPING, "stopping",
            Bundle.UNINSTALLED, "uninstalled");

    static BundleRow of(Bundle bundle) {
        return new BundleRow(
                bundle.getSymbolicName(),
                bundle.getVersion().toString(),
                STATES.getOrDefault(bundle.getState(), Cell.NONE),
                header(bundle, "Git-Descriptor").orElse(Cell.NONE),
                header(bundle, "Git-SHA").orElse("not built from a Git tree"));
    }

    /** A manifest header that is there and not empty. */
    static Optional<String> header(Bundle bundle, String name) {
        return Optional.ofNullable(bundle.getHeaders("").get(name)).filter(value -> !value.isBlank());
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("bundle", bundle),
                Cell.text("version", version),
                Cell.text("state", state),
                Cell.text("Git-Descriptor", descriptor),
                Cell.text("Git-SHA", sha));
    }
}
