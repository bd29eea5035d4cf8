package vfio.pci.core;

import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.mediate.Mediation;

/**
 * The outcome of asking the vendor drivers.
 *
 * @param mediator who accepted; null for pass-through
 * @param context what the mediation was given; null for pass-through
 * @param mediation the empty mediation for pass-through
 * @param regions the regions as the client sees them
 * @param verdicts every answer, in the order of asking
 */
record Chosen(
        @Nullable Mediator mediator,
        @Nullable LentContext context,
        Mediation mediation,
        List<RegionInfo> regions,
        List<Explanation.Verdict> verdicts) {
    /** The empty mediation: the device underneath and nothing else. */
    static final Mediation PASS_THROUGH = new Mediation() {};

    /** A sentence for the administrator. */
    String outcome(String id) {
        if (mediator != null) {
            return "mediated by " + mediator.name();
        }
        return verdicts.isEmpty()
                ? "passed through: no vendor driver is registered"
                : "passed through: nobody claimed " + id;
    }
}
