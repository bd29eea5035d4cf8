package vfio.pci.api.testing;

import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.pci.PciRegion;

/**
 * The regions as the client was told of them when it opened the device, and what follows from that for later mediations.
 *
 * @param regions by index
 */
record ClientView(List<RegionInfo> regions) {
    /** What the client is told of regions that a mediation offers. */
    static ClientView of(List<RegionInfo> offered, Trapping trapping) {
        return new ClientView(offered.stream()
                .map(region -> switch (trapping) {
                    case DYNAMIC -> region;
                    case ALWAYS -> withoutDisablable(region);
                    case NEVER -> region.areas().isEmpty() ? region : region.withAreas(direct(region.areas()));
                })
                .toList());
    }

    static RegionInfo withoutDisablable(RegionInfo region) {
        return region.areas().isEmpty()
                ? region
                : region.withAreas(region.areas().stream()
                        .filter(Predicate.not(SparseArea::disablable))
                        .toList());
    }

    /** Why a mediation cannot take the device over. */
    Optional<String> objection(List<RegionInfo> offered, int hardware) {
        for (RegionInfo known : regions) {
            int index = known.index();
            if (index >= offered.size() && index >= hardware) {
                continue;
            }
            RegionInfo successor = offered.get(index);
            if (successor.size() != known.size()
                    || successor.type() != known.type()
                    || successor.subtype() != known.subtype()
                    || successor.is(Flag.READ) != known.is(Flag.READ)
                    || successor.is(Flag.WRITE) != known.is(Flag.WRITE)) {
                return Optional.of(PciRegion.name(index) + " is not what the client knows: " + successor
                        + " where it was told " + known);
            }
            for (SparseArea area : known.mappableAreas()) {
                if (!covered(area, successor.mappableAreas())) {
                    return Optional.of(String.format(
                            "the client may have mapped %s [0x%x, 0x%x), which it does not let be mapped; let the client"
                                    + " connect anew",
                            PciRegion.name(index), area.offset(), area.end()));
                }
            }
        }
        return Optional.empty();
    }

    /** Whether the client may map areas, disablable ones or others, that a mediation wants to be able to trap. */
    boolean maps(List<RegionInfo> offered, boolean disablable) {
        return regions.stream().limit(offered.size()).anyMatch(known -> known.mappableAreas().stream()
                .filter(area -> area.disablable() == disablable)
                .anyMatch(area -> offered.get(known.index()).mappableAreas().stream()
                        .anyMatch(wanted ->
                                wanted.disablable() && area.offset() < wanted.end() && wanted.offset() < area.end())));
    }

    private static List<SparseArea> direct(List<SparseArea> areas) {
        return areas.stream()
                .map(area -> SparseArea.direct(area.offset(), area.size()))
                .toList();
    }

    /** Whether an area lies in the union of others, which ascend and are disjoint. */
    private static boolean covered(SparseArea area, List<SparseArea> others) {
        long from = area.offset();
        for (SparseArea other : others) {
            if (other.offset() <= from && from < other.end()) {
                from = other.end();
            }
        }
        return from >= area.end();
    }
}
