package migration.region;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciDevice;

/** Takes one region and says whether trapping is requested. */
final class FakeContext implements MediationContext {
    static final int INDEX = 9;

    final List<RegionInfo> added = new ArrayList<>();
    boolean trapRequested;

    @Override
    public int addRegion(RegionInfo region) {
        added.add(region);
        return INDEX;
    }

    @Override
    public boolean trapRequested() {
        return trapRequested;
    }

    @Override
    public boolean trap(boolean trapped) {
        throw new AssertionError("the region only tells");
    }

    @Override
    public PciDevice device() {
        throw new AssertionError("the region needs no device");
    }

    @Override
    public Regions hardware() {
        throw new AssertionError("the region needs no hardware");
    }

    @Override
    public DmaSpace memory() {
        throw new AssertionError("the region needs no memory");
    }

    @Override
    public Optional<HandOverState> handedOver() {
        throw new AssertionError("the region has no state");
    }

    @Override
    public System.Logger logger() {
        throw new AssertionError("the region has nothing to say");
    }
}
