package vfio.pci.api.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;

/** What the core checks of a region that a mediation describes, and of an access. */
final class RegionRules {
    private RegionRules() {}

    /** What the mediation offers and the hardware allows. */
    static RegionInfo effective(RegionInfo hardware, RegionInfo offered) {
        check(offered, hardware.index());
        if (offered.size() != hardware.size()) {
            throw refused(offered, "has size " + offered.size() + " where the device has " + hardware.size());
        }
        RegionInfo permitted = new RegionInfo(
                hardware.index(),
                hardware.size(),
                hardware.flags().stream().filter(offered::is).collect(Collectors.toUnmodifiableSet()),
                List.of(),
                offered.type(),
                offered.subtype());
        if (!permitted.is(Flag.MMAP)) {
            return permitted;
        }
        if (offered.areas().isEmpty()) {
            return hardware.areas().isEmpty() ? permitted : permitted.withAreas(hardware.areas());
        }
        return permitted.withAreas(intersect(hardware.mappableAreas(), offered.areas()));
    }

    /** A region that exists in the mediation alone. */
    static RegionInfo added(RegionInfo offered, int index) {
        check(offered, index);
        if (offered.type() == 0) {
            throw refused(offered, "is device-specific and needs a type other than 0");
        }
        return offered;
    }

    static int index(int region, int count) {
        if (region < 0 || region >= count) {
            throw new VfioException(Errno.EINVAL, "there is no region " + region + "; the device has " + count);
        }
        return region;
    }

    static void access(RegionAccess access, RegionInfo info, Flag permission) {
        if (access.offset() < 0 || access.length() > info.size() - access.offset()) {
            throw new VfioException(
                    Errno.EINVAL, "access outside the region: " + access + ", size 0x" + Long.toHexString(info.size()));
        }
        if (!info.is(permission)) {
            throw new VfioException(Errno.EACCES, "region " + info.index() + " does not permit " + permission);
        }
    }

    private static void check(RegionInfo region, int index) {
        if (region.index() != index) {
            throw refused(region, "is described under the index of region " + index);
        }
        if (region.size() < 0) {
            throw refused(region, "has a negative size");
        }
        if (!region.areas().isEmpty() && !region.is(Flag.MMAP)) {
            throw refused(region, "lists areas to map but is not mappable");
        }
        long end = 0;
        for (SparseArea area : region.areas()) {
            if ((area.offset() | area.size()) % RegionInfo.PAGE_SIZE != 0 || area.size() <= 0 || area.offset() < 0) {
                throw refused(region, "has an area that is not made of whole pages: " + area);
            }
            if (area.offset() < end) {
                throw refused(region, "has areas that overlap or are not in ascending order: " + area);
            }
            if (area.size() > region.size() - area.offset()) {
                throw refused(region, "has an area beyond its end: " + area);
            }
            end = area.end();
        }
    }

    private static List<SparseArea> intersect(List<SparseArea> allowed, List<SparseArea> offered) {
        List<SparseArea> common = new ArrayList<>();
        for (SparseArea offer : offered) {
            for (SparseArea allow : allowed) {
                long start = Math.max(offer.offset(), allow.offset());
                long end = Math.min(offer.end(), allow.end());
                if (start < end) {
                    common.add(new SparseArea(start, end - start, offer.disablable() || allow.disablable()));
                }
            }
        }
        return common;
    }

    private static VfioException refused(RegionInfo region, String why) {
        return new VfioException(Errno.EINVAL, "region " + region.index() + " " + why);
    }
}
