package migration.region;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.ResourceBundle;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciDevice;

/** Takes one region, says whether trapping is requested, and keeps the warnings. */
final class FakeContext implements MediationContext {
    static final int INDEX = 9;

    final List<RegionInfo> added = new ArrayList<>();
    final List<String> warnings = new ArrayList<>();
    boolean trapRequested;
    private final System.Logger log = new Log();

    @Override
    public List<DmaMapping> mappings() {
        return List.of();
    }

    @Override
    public Optional<HardwareState> hardwareState() {
        return Optional.empty();
    }

    @Override
    public void relayInterrupts(boolean relay) {
        throw new UnsupportedOperationException();
    }

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
        return log;
    }

    private final class Log implements System.Logger {
        @Override
        public String getName() {
            return "fake";
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
            throw new AssertionError("nothing is thrown here");
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String format, Object... parameters) {
            if (level == Level.WARNING) {
                warnings.add(format);
            }
        }
    }
}
