package vfio.pci.api.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;

/**
 * A mediation that was accepted, what it was lent, and the regions as it lets them be seen.
 *
 * @param context what it was lent
 * @param mediation the mediation
 * @param regions every region, by index
 */
record Layer(FakeContext context, Mediation mediation, List<RegionInfo> regions) {
    /**
     * A driver's answer.
     *
     * @param verdict what it comes to
     * @param layer there if it was accepted
     * @param thrown what it threw, if that is why it was not
     */
    record Asked(
            Verdict verdict,
            Optional<Layer> layer,
            @Nullable Throwable thrown) {
        private static Asked not(Answer answer, String reason) {
            return new Asked(new Verdict(answer, reason), Optional.empty(), null);
        }

        private static Asked failed(Throwable thrown) {
            String reason = Objects.requireNonNullElseGet(thrown.getMessage(), thrown::toString);
            return new Asked(new Verdict(Answer.FAILED, reason), Optional.empty(), thrown);
        }

        /** The layer that was accepted; fails the test if there is none. */
        Layer accepted(String what) {
            return layer.orElseThrow(() -> new AssertionError(what + ": " + verdict, thrown));
        }
    }

    /**
     * Asks a driver.
     *
     * @param context to lend it
     * @param left what the driver before it has left
     * @param objection why a layout does not fit to what the client knows
     */
    static Asked ask(
            MediateOps ops,
            FakeContext context,
            Hardware hardware,
            Optional<HandOverState> left,
            Function<List<RegionInfo>, Optional<String>> objection) {
        Asked asked;
        try {
            asked = asked(ops.open(context), context, hardware, left, objection);
        } catch (Throwable thrown) {
            asked = Asked.failed(thrown);
        }
        if (asked.layer().isEmpty()) {
            context.invalidate();
        }
        return asked;
    }

    private static Asked asked(
            Decision decision,
            FakeContext context,
            Hardware hardware,
            Optional<HandOverState> left,
            Function<List<RegionInfo>, Optional<String>> objection) {
        if (decision instanceof Decision.Declined declined) {
            return Asked.not(Answer.DECLINED, declined.reason());
        }
        if (!(decision instanceof Decision.Accepted accepted)) {
            return Asked.not(Answer.FAILED, "it returned null instead of a decision");
        }
        Mediation mediation = accepted.mediation();
        boolean taken = false;
        try {
            List<RegionInfo> regions = layout(mediation, context, hardware);
            Optional<String> refusal = left.filter(state -> !context.tookOver())
                    .map(state -> "it would lose what the driver before left: " + state)
                    .or(() -> objection.apply(regions));
            taken = refusal.isEmpty();
            return taken
                    ? new Asked(
                            new Verdict(Answer.ACCEPTED, ""), Optional.of(new Layer(context, mediation, regions)), null)
                    : Asked.not(Answer.REFUSED, refusal.get());
        } finally {
            if (!taken) {
                mediation.close();
            }
        }
    }

    private static List<RegionInfo> layout(Mediation mediation, FakeContext context, Hardware hardware) {
        List<RegionInfo> added = context.endOpening();
        List<RegionInfo> regions = new ArrayList<>();
        IntStream.range(0, hardware.regionCount())
                .mapToObj(hardware::regionInfo)
                .forEach(region -> regions.add(RegionRules.effective(region, mediation.regionInfo(region))));
        added.forEach(region -> regions.add(RegionRules.added(mediation.regionInfo(region), region.index())));
        return List.copyOf(regions);
    }
}
