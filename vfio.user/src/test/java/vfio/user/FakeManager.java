package vfio.user;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** One function, opened by one user at a time. */
final class FakeManager implements DeviceManager {
    static final PciAddress ADDRESS = PciAddress.parse("0000:03:02.0");

    final List<FakeDevice> opened = new CopyOnWriteArrayList<>();
    volatile RuntimeException failure;
    volatile Supplier<Optional<String>> unassignableReason = Optional::empty;
    private final AtomicBoolean inUse = new AtomicBoolean();
    private final PciDevice device = new Function();

    PciDevice device() {
        return device;
    }

    @Override
    public List<PciDevice> devices() {
        return List.of(device);
    }

    @Override
    public List<MediatorInfo> mediators() {
        return List.of();
    }

    @Override
    public OpenDevice open(PciAddress address, String user, ClientMemory clientMemory, Set<ClientFeature> features) {
        RuntimeException told = failure;
        if (told != null) {
            throw told;
        }
        if (!inUse.compareAndSet(false, true)) {
            throw new VfioException(Errno.EBUSY, "in use");
        }
        FakeDevice open = new FakeDevice(device, user, clientMemory, features, () -> inUse.set(false));
        opened.add(open);
        return open;
    }

    @Override
    public Explanation rebind(PciAddress address, Optional<String> driver) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Optional<OpenDevice> opened(PciAddress address) {
        return opened.stream()
                .filter(device -> !device.closed)
                .<OpenDevice>map(device -> device)
                .findFirst();
    }

    @Override
    public Optional<Explanation> explain(PciAddress address) {
        return Optional.empty();
    }

    private final class Function implements PciDevice {
        @Override
        public PciAddress address() {
            return FakeManager.ADDRESS;
        }

        @Override
        public PciIds ids() {
            return new PciIds(0x8086, 0x154c, 0, 0, 0x020000, 1);
        }

        @Override
        public String backend() {
            return "fake";
        }

        @Override
        public Optional<PciAddress> physicalFunction() {
            return Optional.empty();
        }

        @Override
        public int virtualFunctionNumber() {
            return -1;
        }

        @Override
        public Optional<String> unassignableReason() {
            return unassignableReason.get();
        }

        @Override
        public Hardware open(DmaSpace memory) {
            throw new UnsupportedOperationException();
        }
    }
}
