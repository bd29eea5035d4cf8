package vfio.pci.core;

import java.util.List;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.manage.TrapStatus.Mode;

/**
 * How the disablable areas of a mediation can be trapped for a client, and why.
 *
 * @param mode how
 * @param reason a sentence for an administrator
 */
record TrapMode(Mode mode, String reason) {
    /** What follows from the layout that a mediation offers and the one that the client knows. */
    static TrapMode of(List<RegionInfo> offered, ClientLayout layout, TrapPolicy policy) {
        boolean any = offered.stream()
                .flatMap(region -> region.mappableAreas().stream())
                .anyMatch(SparseArea::disablable);
        if (!any) {
            return new TrapMode(Mode.NONE, "no area of it is disablable");
        }
        if (layout.mapsForGood(offered)) {
            return new TrapMode(
                    Mode.NEVER,
                    policy == TrapPolicy.NEVER
                            ? "trap=never is configured"
                            : "the client has been offered these areas for good before this driver came; let it connect anew");
        }
        if (layout.mapsForNow(offered)) {
            return new TrapMode(Mode.DYNAMIC, "the client unmaps when it is told to");
        }
        return new TrapMode(
                Mode.ALWAYS,
                policy == TrapPolicy.ALWAYS
                        ? "trap=always is configured"
                        : "the client cannot be told, so they are trapped from open on");
    }
}
