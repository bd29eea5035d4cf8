package mediate.i40e;

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
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Remembers what a mediation asks of the core. */
final class FakeContext implements MediationContext {
    static final int FIRST_ADDED = 9;

    final List<Boolean> asked = new CopyOnWriteArrayList<>();
    final List<RegionInfo> added = new ArrayList<>();
    final List<String> logged = new CopyOnWriteArrayList<>();
    volatile boolean refusing;
    volatile boolean alreadyTrapped;
    volatile Runnable beforeAnswer = () -> {};

    @Nullable
    HandOverState left;

    private final PciDevice device;

    FakeContext() {
        this(new FakeFunction("0000:03:02.0", PciAddress.parse("0000:03:00.0"), 0));
    }

    FakeContext(PciDevice device) {
        this.device = device;
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
        return device;
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
        return alreadyTrapped;
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
