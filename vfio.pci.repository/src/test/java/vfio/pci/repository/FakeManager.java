package vfio.pci.repository;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** A device manager that knows the drivers it is told. */
final class FakeManager implements DeviceManager {
    volatile List<MediatorInfo> mediators = List.of();

    static FakeManager register(BundleContext context) {
        FakeManager manager = new FakeManager();
        context.registerService(DeviceManager.class, manager, null);
        return manager;
    }

    /** The driver of a bundle, with the devices that it mediates. */
    static MediatorInfo mediator(Bundle bundle, PciDevice... devices) {
        return new MediatorInfo(
                bundle.getSymbolicName(),
                "anything",
                0,
                1,
                bundle.getSymbolicName() + " " + bundle.getVersion(),
                bundle.getBundleId(),
                Arrays.stream(devices).map(PciDevice::address).toList(),
                0);
    }

    @Override
    public List<MediatorInfo> mediators() {
        return mediators;
    }

    @Override
    public List<PciDevice> devices() {
        return List.of();
    }

    @Override
    public OpenDevice open(PciAddress address, String user, ClientMemory memory, Set<ClientFeature> features) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Explanation rebind(PciAddress address, Optional<String> driver) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Optional<OpenDevice> opened(PciAddress address) {
        return Optional.empty();
    }

    @Override
    public Optional<Explanation> explain(PciAddress address) {
        return Optional.empty();
    }
}
