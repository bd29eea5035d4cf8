package vfio.pci.core;

import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;

/** The checks in front of regions and interrupts, in overflow-safe arithmetic. */
final class AccessCheck {
    private AccessCheck() {}

    static int region(int region, int count) {
        if (region < 0 || region >= count) {
            throw new VfioException(Errno.EINVAL, "there is no region " + region + "; the device has " + count);
        }
        return region;
    }

    static void access(RegionAccess access, RegionInfo info, RegionInfo.Flag permission) {
        if (access.offset() < 0 || access.length() > info.size() - access.offset()) {
            throw new VfioException(
                    Errno.EINVAL, "access outside the region: " + access + ", size 0x" + Long.toHexString(info.size()));
        }
        if (!info.is(permission)) {
            throw new VfioException(Errno.EACCES, "region " + info.index() + " does not permit " + permission);
        }
    }

    static void interrupts(InterruptInfo info, int start, int count) {
        if (start < 0 || count < 0 || count > info.count() - start) {
            throw new VfioException(
                    Errno.EINVAL,
                    "interrupts " + start + " to " + ((long) start + count) + " exceed the " + info.count()
                            + " vectors of index " + info.index());
        }
    }
}
