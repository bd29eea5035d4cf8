package vfio.shell;

import java.util.List;
import java.util.Optional;
import org.osgi.framework.Bundle;

/**
 * A bundle and whether it may be updated now.
 *
 * @param id its OSGi id
 * @param bundle symbolic name
 * @param version its version
 * @param safe yes, or why not
 */
record UpdateRow(long id, String bundle, String version, String safe) implements Row {
    static UpdateRow of(Bundle bundle, Optional<String> objection) {
        return new UpdateRow(
                bundle.getBundleId(),
                String.valueOf(bundle.getSymbolicName()),
                bundle.getVersion().toString(),
                objection.map(why -> "no: " + why).orElse("yes"));
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.number("id", id),
                Cell.text("bundle", bundle),
                Cell.text("version", version),
                Cell.text("can be updated now", safe));
    }
}
