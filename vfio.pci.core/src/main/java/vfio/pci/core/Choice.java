package vfio.pci.core;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciDevice;

/** Asks vendor drivers for one device, in order, until one accepts with a possible region layout. */
final class Choice {
    private final PciDevice device;
    private final Hardware hardware;
    private final DmaMap memory;
    private final TrapSwitch traps;
    private final VendorFaults faults;
    private final VendorCalls calls;
    private final Runnable relaysChanged;
    private final List<RegionInfo> underneath;

    /** @param relaysChanged is run when a mediation wants to hear of interrupts, or no more */
    Choice(
            PciDevice device,
            Hardware hardware,
            DmaMap memory,
            TrapSwitch traps,
            VendorFaults faults,
            VendorCalls calls,
            Runnable relaysChanged) {
        this.device = device;
        this.hardware = hardware;
        this.memory = memory;
        this.traps = traps;
        this.faults = faults;
        this.calls = calls;
        this.relaysChanged = relaysChanged;
        underneath = IntStream.range(0, hardware.regionCount())
                .mapToObj(hardware::regionInfo)
                .toList();
    }

    /** The regions of the device underneath. */
    List<RegionInfo> underneath() {
        return underneath;
    }

    /**
     * Asks until one accepts.
     *
     * @param limit how long they may take together; each gets half of what those before it left, the last one all
     * @param verdicts takes every answer, in the order of asking
     * @return the layer of the first that accepts; null if nobody does
     */
    @Nullable
    Layer first(List<Mediator> candidates, Inheritance inheritance, Duration limit, List<Verdict> verdicts) {
        long end = System.nanoTime() + limit.toNanos();
        for (int asked = 0; asked < candidates.size(); asked++) {
            Duration left = Duration.ofNanos(Math.max(0, end - System.nanoTime()));
            boolean last = asked == candidates.size() - 1;
            Layer layer = ask(candidates.get(asked), inheritance, last ? left : left.dividedBy(2), verdicts);
            if (layer != null) {
                return layer;
            }
        }
        return null;
    }

    private @Nullable Layer ask(Mediator mediator, Inheritance inheritance, Duration limit, List<Verdict> verdicts) {
        LentContext context =
                new LentContext(device, hardware, memory, traps, inheritance.state(), mediator.name(), relaysChanged);
        String call = "open of " + device.address();
        try {
            Object answer = calls.call(
                    mediator.name() + "'s " + call,
                    limit,
                    () -> open(mediator, context),
                    late -> discard(mediator, late));
            if (answer instanceof Layer layer) {
                Optional<String> refusal = refusal(layer, context, inheritance);
                if (refusal.isEmpty()) {
                    verdicts.add(verdict(mediator, Answer.ACCEPTED, ""));
                    return layer;
                }
                verdicts.add(verdict(mediator, Answer.REFUSED, refusal.get()));
                discard(mediator, layer);
            } else {
                verdicts.add(verdict(mediator, Answer.DECLINED, (String) answer));
            }
        } catch (ExecutionException e) {
            Throwable thrown = VendorFaults.printable(Objects.requireNonNullElse(e.getCause(), e));
            verdicts.add(verdict(
                    mediator, Answer.FAILED, Objects.requireNonNullElseGet(thrown.getMessage(), thrown::toString)));
            faults.defect(mediator, call, thrown);
        } catch (VendorCalls.StuckException e) {
            verdicts.add(verdict(
                    mediator, Answer.FAILED, "it gave no answer within " + limit.toMillis() + " ms; the log says why"));
            faults.defect(mediator, call, e);
        }
        context.invalidate();
        return null;
    }

    /** The layer of a driver that accepts, or the reason of one that declines. */
    private Object open(Mediator mediator, LentContext context) {
        Decision decision = mediator.ops().open(context);
        if (decision instanceof Decision.Declined declined) {
            return declined.reason();
        }
        if (!(decision instanceof Decision.Accepted accepted)) {
            throw new IllegalStateException("it returned null instead of a decision");
        }
        boolean complete = false;
        try {
            List<RegionInfo> regions = layout(accepted.mediation(), context.endOpening());
            complete = true;
            return new Layer(mediator, context, accepted.mediation(), regions);
        } finally {
            if (!complete) {
                closeQuietly(mediator, accepted.mediation());
            }
        }
    }

    private static Optional<String> refusal(Layer layer, LentContext context, Inheritance inheritance) {
        Optional<HandOverState> state = inheritance.state();
        if (state.isPresent() && !context.tookOver()) {
            return Optional.of("it would lose what " + inheritance.from() + " left: " + state.get());
        }
        return inheritance.objection().apply(layer.regions());
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

    private void discard(Mediator mediator, Object answer) {
        if (answer instanceof Layer layer) {
            calls.soon(() -> closeQuietly(mediator, layer.mediation()));
        }
    }

    private void closeQuietly(Mediator mediator, Mediation mediation) {
        try {
            mediation.close();
        } catch (Throwable thrown) {
            faults.defect(mediator, "close of " + device.address(), thrown);
        }
    }

    private static Verdict verdict(Mediator mediator, Answer answer, String reason) {
        return new Verdict(mediator.name(), mediator.ranking(), mediator.serviceId(), answer, reason);
    }
}
