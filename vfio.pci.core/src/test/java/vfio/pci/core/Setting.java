package vfio.pci.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;

/** What it takes to open a device: hardware, one driver named {@code vendor}, a DMA map. */
final class Setting {
    final FakeHardware hardware;
    final FakeReference reference = FakeReference.of(7, 0, "vendor");
    final DmaMap dma = new DmaMap(ClientMemory.NONE);
    final VendorFaults faults = new VendorFaults();
    final List<MediatedDevice> closed = new ArrayList<>();
    private MediateOps ops = context -> Decision.decline("not set up");
    final Mediator mediator = new Mediator(reference, context -> ops.open(context));

    Setting() {
        this(new FakeHardware());
    }

    Setting(FakeHardware hardware) {
        this.hardware = hardware;
    }

    /** Opens the device with this mediation, which must be accepted. */
    MediatedDevice open(Mediation mediation) {
        return open(context -> Decision.accept(mediation));
    }

    /** Opens the device with this driver, which must accept. */
    MediatedDevice open(MediateOps driver) {
        ops = driver;
        Chosen chosen = choice().make(List.of(mediator));
        if (chosen.verdicts().get(0).answer() != Answer.ACCEPTED) {
            throw new AssertionError("not accepted: " + chosen.verdicts());
        }
        return device(chosen);
    }

    /** Opens the device without drivers. */
    MediatedDevice openPassThrough() {
        return device(choice().make(List.of()));
    }

    Choice choice() {
        return new Choice(new FakeFunction(hardware), hardware, dma, faults);
    }

    /** What the vendor got wrong, as an administrator sees it. */
    long failures() {
        return mediator.info().failures();
    }

    /** An access with a buffer of its own. */
    static RegionAccess access(int region, long offset, int length) {
        ByteBuffer data = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        return new RegionAccess().wrap(region, offset, length, data, 0);
    }

    private MediatedDevice device(Chosen chosen) {
        MediatedDevice device =
                new MediatedDevice(new FakeFunction(hardware), "test", hardware, dma, chosen, faults, closed::add);
        device.pin();
        return device;
    }
}
