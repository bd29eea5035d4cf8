package mediate.i40e;

import java.util.Optional;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediates;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * Accepts the virtual functions of one physical function, known by address and number rather than by their ids. The ids are
 * for loading this bundle only: those of a virtual function, and of one under Hyper-V.
 */
@Mediates(
        vendor = "8086",
        device = {"154c", "1571"})
final class VirtualFunctionOps implements MediateOps {
    private final PciAddress physicalFunction;
    private final Settings settings;

    VirtualFunctionOps(PciAddress physicalFunction, Settings settings) {
        this.physicalFunction = physicalFunction;
        this.settings = settings;
    }

    @Override
    public Decision open(MediationContext context) {
        PciDevice device = context.device();
        Optional<PciAddress> parent = device.physicalFunction();
        if (parent.isEmpty()) {
            return Decision.decline(device.address() + " is not a virtual function");
        }
        if (!parent.get().equals(physicalFunction)) {
            return Decision.decline(
                    "VF " + device.virtualFunctionNumber() + " of " + parent.get() + ", not of " + physicalFunction);
        }
        Optional<HandOverState> left = context.handedOver();
        Optional<String> objection = left.flatMap(VirtualFunctionState::objection);
        if (objection.isPresent()) {
            return Decision.decline(objection.get());
        }
        VirtualFunctionState before = left.map(VirtualFunctionState::decode).orElse(VirtualFunctionState.NEW);
        return Decision.accept(new VirtualFunctionMediation(context, settings, before));
    }
}
