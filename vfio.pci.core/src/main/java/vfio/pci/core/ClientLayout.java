package vfio.pci.core;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.pci.PciRegion;

/**
 * The regions as the client was told of them when it opened the device. They stay while the mediations behind change,
 * because a client asks once and then maps.
 */
final class ClientLayout {
    private final List<RegionInfo> regions;

    private ClientLayout(List<RegionInfo> regions) {
        this.regions = regions;
    }

    /** What a client is told: whether it may map disablable areas depends on what it knows and what was configured. */
    static ClientLayout of(List<RegionInfo> regions, TrapPolicy policy, Set<ClientFeature> features) {
        return new ClientLayout(regions.stream()
                .map(region -> switch (policy) {
                    case NEVER -> map(region, area -> Optional.of(SparseArea.direct(area.offset(), area.size())));
                    case DYNAMIC -> features.contains(ClientFeature.DYNAMIC_TRAP) ? region : withoutDisablable(region);
                    case ALWAYS -> withoutDisablable(region);
                })
                .toList());
    }

    /** The region without the areas that can be disabled. */
    static RegionInfo withoutDisablable(RegionInfo region) {
        return map(region, area -> area.disablable() ? Optional.empty() : Optional.of(area));
    }

    int count() {
        return regions.size();
    }

    /** The region as the client was told of it. */
    RegionInfo region(int region) {
        return regions.get(AccessCheck.region(region, regions.size()));
    }

    /**
     * Why a mediation cannot take a device over from another.
     *
     * @param offered the regions as it would let them be seen
     * @param hardware how many of the regions exist underneath; others go with the mediation that brought them
     */
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

    /** Whether the client may map, for good, what a mediation wants to be able to trap. */
    boolean mapsForGood(List<RegionInfo> offered) {
        return overlaps(offered, false);
    }

    /** Whether the client may map, until it is told otherwise, what a mediation wants to be able to trap. */
    boolean mapsForNow(List<RegionInfo> offered) {
        return overlaps(offered, true);
    }

    private boolean overlaps(List<RegionInfo> offered, boolean disablable) {
        for (RegionInfo known : regions.subList(0, Math.min(regions.size(), offered.size()))) {
            for (SparseArea area : known.mappableAreas()) {
                for (SparseArea wanted : offered.get(known.index()).mappableAreas()) {
                    if (area.disablable() == disablable
                            && wanted.disablable()
                            && area.offset() < wanted.end()
                            && wanted.offset() < area.end()) {
                        return true;
                    }
                }
            }
        }
        return false;
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

    private interface AreaMapping {
        Optional<SparseArea> apply(SparseArea area);
    }

    private static RegionInfo map(RegionInfo region, AreaMapping mapping) {
        if (region.areas().isEmpty()) {
            return region;
        }
        return region.withAreas(region.areas().stream()
                .flatMap(area -> mapping.apply(area).stream())
                .toList());
    }
}
