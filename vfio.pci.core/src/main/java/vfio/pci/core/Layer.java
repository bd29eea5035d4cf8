package vfio.pci.core;

import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.mediate.Mediation;

/**
 * Who stands in front of the hardware. Replaced as a whole, and only while the gate is held.
 *
 * @param mediator whose mediation it is; null for pass-through
 * @param context what the mediation was given; null for pass-through
 * @param mediation the empty mediation for pass-through
 * @param regions the regions as this mediation lets them be seen
 */
record Layer(
        @Nullable Mediator mediator, @Nullable LentContext context, Mediation mediation, List<RegionInfo> regions) {
    private static final Mediation EMPTY = new Mediation() {};

    /** The hardware and nothing else. */
    static Layer passThrough(List<RegionInfo> hardware) {
        return new Layer(null, null, EMPTY, hardware);
    }

    /** Who it is, for an administrator. */
    String name() {
        return mediator == null ? "the device underneath" : mediator.name();
    }
}
