package mediate.igd;

import java.text.MessageFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.ResourceBundle;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** Remembers what a mediation asks of the core. */
final class FakeContext implements MediationContext {
    static final int FIRST_ADDED = 9;

    final List<Boolean> asked = new CopyOnWriteArrayList<>();
    final List<RegionInfo> added = new ArrayList<>();
    final List<String> logged = new CopyOnWriteArrayList<>();
    volatile boolean refusing;
    volatile Runnable beforeAnswer = () -> {};

    @Nullable
    HandOverState left;

    private final PciIds ids;

    FakeContext() {
        this(0x8086, 0x5927, 0x030000);
    }

    FakeContext(int vendor, int device, int classCode) {
        ids = new PciIds(vendor, device, 0x8086, 0x2212, classCode, 6);
    }

    FakeContext leaving(HandOverState state) {
        left = state;
        return this;
    }

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
    public PciDevice device() {
        return new FakeFunction(ids);
    }

    @Override
    public Regions hardware() {
        throw new AssertionError("the device must not be touched before it is accepted");
    }

    @Override
    public DmaSpace memory() {
        throw new AssertionError("the device must not be touched before it is accepted");
    }

    @Override
    public int addRegion(RegionInfo region) {
        added.add(region);
        return FIRST_ADDED + added.size() - 1;
    }

    @Override
    public Optional<HandOverState> handedOver() {
        return Optional.ofNullable(left);
    }

    @Override
    public boolean trap(boolean trapped) {
        asked.add(trapped);
        beforeAnswer.run();
        if (refusing) {
            throw new VfioException(Errno.EOPNOTSUPP, "refused by a test");
        }
        return false;
    }

    @Override
    public boolean trapRequested() {
        return !asked.isEmpty() && asked.get(asked.size() - 1);
    }

    @Override
    public System.Logger logger() {
        return new System.Logger() {
            @Override
            public String getName() {
                return "test";
            }

            @Override
            public boolean isLoggable(Level level) {
                return true;
            }

            @Override
            public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
                logged.add(message);
            }

            @Override
            public void log(Level level, ResourceBundle bundle, String format, Object... arguments) {
                logged.add(MessageFormat.format(format, arguments));
            }
        };
    }
}
