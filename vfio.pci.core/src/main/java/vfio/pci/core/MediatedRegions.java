package vfio.pci.core;

import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciRegion;

/** The path of an access: checks, the gate, the mediation, the hardware. Allocates nothing, holds no lock. */
final class MediatedRegions {
    private static final String NO_RESULT = "it returned null instead of a result";

    private final Hardware hardware;
    private final ClientLayout layout;
    private final Gate gate;
    private final HandOver handOver;
    private final VendorFaults faults;

    /** Regions whose memory the client has from a mediation, not from the hardware. */
    private final Set<Integer> lentByMediation = ConcurrentHashMap.newKeySet();

    MediatedRegions(Hardware hardware, ClientLayout layout, Gate gate, HandOver handOver, VendorFaults faults) {
        this.hardware = hardware;
        this.layout = layout;
        this.gate = gate;
        this.handOver = handOver;
        this.faults = faults;
    }

    /** Why no other mediation can serve this client. */
    Optional<String> objection() {
        return lentByMediation.stream()
                .findAny()
                .map(region -> "the client has mapped memory of " + PciRegion.name(region)
                        + " that belonged to the driver before");
    }

    void read(RegionAccess access) {
        int region = access.region();
        AccessCheck.access(access, layout.region(region), Flag.READ);
        long offset = access.offset();
        int length = access.length();
        gate.enter();
        try {
            if (mediatedRead(access, region) == Result.PASS_THROUGH) {
                hardware.read(passing(access, region, offset, length));
            }
        } finally {
            gate.exit();
        }
    }

    void write(RegionAccess access) {
        int region = access.region();
        AccessCheck.access(access, layout.region(region), Flag.WRITE);
        long offset = access.offset();
        int length = access.length();
        gate.enter();
        try {
            if (mediatedWrite(access, region) == Result.PASS_THROUGH) {
                hardware.write(passing(access, region, offset, length));
            }
        } finally {
            gate.exit();
        }
    }

    @Nullable
    SharedMemory mmap(int region) {
        RegionInfo info = layout.region(region);
        if (info.mappableAreas().isEmpty()) {
            return null;
        }
        gate.enter();
        try {
            SharedMemory own = mediatedMemory(info);
            if (own != null) {
                lentByMediation.add(region);
                return own;
            }
            return region < hardware.regionCount() ? hardware.memory(region) : null;
        } finally {
            gate.exit();
        }
    }

    private Result mediatedRead(RegionAccess access, int region) {
        Layer current = layerOf(region);
        try {
            return Objects.requireNonNull(current.mediation().read(access), NO_RESULT);
        } catch (Throwable thrown) {
            throw faults.contain(current.mediator(), "read", thrown);
        }
    }

    private Result mediatedWrite(RegionAccess access, int region) {
        Layer current = layerOf(region);
        try {
            return Objects.requireNonNull(current.mediation().write(access), NO_RESULT);
        } catch (Throwable thrown) {
            throw faults.contain(current.mediator(), "write", thrown);
        }
    }

    private @Nullable SharedMemory mediatedMemory(RegionInfo info) {
        Layer current = layerOf(info.index());
        try {
            SharedMemory own = current.mediation().mmap(info.index());
            if (own != null && own.size() < info.size()) {
                throw new IllegalStateException("its memory is smaller than the region");
            }
            return own;
        } catch (Throwable thrown) {
            throw faults.contain(current.mediator(), "mmap of region " + info.index(), thrown);
        }
    }

    /** The access as it was checked; a mediation may change its data but not where it goes. */
    private RegionAccess passing(RegionAccess access, int region, long offset, int length) {
        if (access.region() != region || access.offset() != offset || access.length() != length) {
            throw new VfioException(Errno.EIO, "the mediation redirected an access, which it may not");
        }
        if (region >= hardware.regionCount()) {
            throw unanswered(region);
        }
        return access;
    }

    /** A region may have gone with the mediation that brought it. */
    private Layer layerOf(int region) {
        Layer current = handOver.layer();
        if (region >= current.regions().size()) {
            throw unanswered(region);
        }
        return current;
    }

    private static VfioException unanswered(int region) {
        return new VfioException(Errno.EIO, "region " + region + " exists in a mediation alone and was not answered");
    }
}
