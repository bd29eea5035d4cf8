package vfio.pci.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciDevice;

/** Asks the vendor drivers of a snapshot, in order, until one accepts with a possible region layout. */
final class Choice {
    private final PciDevice device;
    private final Hardware hardware;
    private final DmaSpace memory;
    private final VendorFaults faults;
    private final List<RegionInfo> underneath;
    private final List<Verdict> verdicts = new ArrayList<>();

    Choice(PciDevice device, Hardware hardware, DmaSpace memory, VendorFaults faults) {
        this.device = device;
        this.hardware = hardware;
        this.memory = memory;
        this.faults = faults;
        underneath = IntStream.range(0, hardware.regionCount())
                .mapToObj(hardware::regionInfo)
                .toList();
    }

    Chosen make(List<Mediator> snapshot) {
        for (Mediator mediator : snapshot) {
            Chosen chosen = ask(mediator);
            if (chosen != null) {
                return chosen;
            }
        }
        return new Chosen(null, null, Chosen.PASS_THROUGH, underneath, List.copyOf(verdicts));
    }

    private @Nullable Chosen ask(Mediator mediator) {
        LentContext context = new LentContext(device, hardware, memory, mediator.name());
        Mediation mediation = null;
        try {
            Decision decision = mediator.ops().open(context);
            if (decision instanceof Decision.Declined declined) {
                verdict(mediator, Answer.DECLINED, declined.reason());
            } else if (decision instanceof Decision.Accepted accepted) {
                mediation = accepted.mediation();
                List<RegionInfo> regions = layout(mediation, context.endOpening());
                verdict(mediator, Answer.ACCEPTED, "");
                return new Chosen(mediator, context, mediation, regions, List.copyOf(verdicts));
            } else {
                throw new IllegalStateException("it returned null instead of a decision");
            }
        } catch (Throwable thrown) {
            verdict(mediator, Answer.FAILED, Objects.requireNonNullElseGet(thrown.getMessage(), thrown::toString));
            faults.defect(mediator, "open of " + device.address(), thrown);
            closeQuietly(mediator, mediation);
        }
        context.invalidate();
        return null;
    }

    private List<RegionInfo> layout(Mediation mediation, List<RegionInfo> added) {
        List<RegionInfo> regions = new ArrayList<>();
        for (RegionInfo region : underneath) {
            regions.add(RegionLayout.effective(region, mediation.regionInfo(region)));
        }
        for (RegionInfo region : added) {
            regions.add(RegionLayout.checked(mediation.regionInfo(region), region.index()));
        }
        return List.copyOf(regions);
    }

    private void closeQuietly(Mediator mediator, @Nullable Mediation mediation) {
        if (mediation == null) {
            return;
        }
        try {
            mediation.close();
        } catch (Throwable thrown) {
            faults.defect(mediator, "close of " + device.address(), thrown);
        }
    }

    private void verdict(Mediator mediator, Answer answer, String reason) {
        verdicts.add(new Verdict(mediator.name(), mediator.ranking(), mediator.serviceId(), answer, reason));
    }
}
