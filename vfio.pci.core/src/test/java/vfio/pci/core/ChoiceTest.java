package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.groups.Tuple.tuple;
import static vfio.pci.core.Errors.assertRefused;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.MediationContext;

class ChoiceTest {
    /** Who accepted, null if nobody did; and every answer. */
    private record Chosen(@Nullable Layer layer, List<Verdict> verdicts) {
        @Nullable
        Mediator mediator() {
            return layer == null ? null : layer.mediator();
        }

        List<RegionInfo> regions() {
            return layer.regions();
        }
    }

    private final Setting setting = new Setting();
    private final CapturedLog log = new CapturedLog();
    private final List<MediationContext> contexts = new ArrayList<>();

    @AfterEach
    void closeLog() {
        log.close();
    }

    @Test
    void nobodyToAskMeansPassThrough() {
        MediatedDevice device = setting.open();

        assertThat(device.mediator()).isEmpty();
        assertThat(device.regionInfo(0)).isEqualTo(setting.hardware.regions.get(0));
        assertThat(setting.explanation().verdicts()).isEmpty();
        assertThat(setting.explanation().outcome()).isEqualTo("passed through: no vendor driver is registered");
    }

    @Test
    void everyDeclineIsKeptWithItsReasonInTheOrderOfAsking() {
        Chosen chosen = choose(
                mediator(1, 9, "first", declining("not mine")), mediator(2, 0, "second", declining("not mine either")));

        assertThat(chosen.mediator()).isNull();
        assertThat(chosen.verdicts())
                .containsExactly(
                        new Verdict("first", 9, 1, Answer.DECLINED, "not mine"),
                        new Verdict("second", 0, 2, Answer.DECLINED, "not mine either"));
        assertThat(log.entries(Level.ALL)).as("a decline is no defect").isEmpty();
    }

    @Test
    void theExplanationSaysWhatCameOfIt() {
        setting.registered.add(mediator(1, 9, "first", declining("not mine")));
        setting.open();
        assertThat(setting.explanation().outcome()).isEqualTo("passed through: nobody claimed 8086:154c");
        setting.registered.add(mediator(2, 0, "second", context -> Decision.accept(new FakeMediation())));
        setting.open();
        assertThat(setting.explanation().outcome()).isEqualTo("mediated by second");
        assertThat(setting.explanation().verdicts())
                .extracting(Verdict::answer)
                .containsExactly(Answer.DECLINED, Answer.ACCEPTED);
    }

    @Test
    void theFirstAcceptanceWinsAndNobodyElseIsAsked() {
        FakeMediation mediation = new FakeMediation();
        Mediator accepting = mediator(2, 5, "second", context -> Decision.accept(mediation));
        Chosen chosen = choose(mediator(1, 9, "first", declining("no")), accepting, mediator(3, 1, "third", context -> {
            throw new AssertionError("asked although the device was taken");
        }));

        assertThat(chosen.mediator()).isSameAs(accepting);
        assertThat(chosen.layer().mediation()).isSameAs(mediation);
        assertThat(chosen.verdicts())
                .extracting(Verdict::answer, Verdict::reason)
                .containsExactly(tuple(Answer.DECLINED, "no"), tuple(Answer.ACCEPTED, ""));
        assertThat(mediation.described).isEqualTo(setting.hardware.regions);
    }

    @Test
    void whoThrowsHasFailedAndTheNextIsAsked() {
        Mediator throwing = mediator(1, 0, "broken", context -> {
            throw new IllegalArgumentException("cannot parse");
        });
        Chosen chosen = choose(throwing, mediator(2, 0, "good", context -> Decision.accept(new FakeMediation())));

        assertThat(chosen.verdicts().get(0)).isEqualTo(new Verdict("broken", 0, 1, Answer.FAILED, "cannot parse"));
        assertThat(chosen.mediator().name()).isEqualTo("good");
        assertDefect(throwing, "cannot parse");
    }

    @Test
    void errorsOfTheRuntimeAreContainedToo() {
        Mediator throwing = mediator(1, 0, "broken", context -> {
            throw new NoClassDefFoundError("vendor/Part");
        });

        assertThat(choose(throwing).verdicts().get(0).answer()).isEqualTo(Answer.FAILED);
        assertDefect(throwing, "vendor/Part");
    }

    @Test
    void aFailureWithoutAMessageStillHasAReason() {
        Mediator throwing = mediator(1, 0, "broken", context -> {
            throw new UnsupportedOperationException();
        });

        assertThat(choose(throwing).verdicts().get(0).reason()).contains("UnsupportedOperationException");
    }

    /** A decline is a decision; a typed error is as much a defect as any other exception here. */
    @Test
    void aTypedErrorIsNoWayToDecline() {
        Mediator throwing = mediator(1, 0, "broken", context -> {
            throw new VfioException(Errno.ENODEV, "not mine");
        });

        assertThat(choose(throwing).verdicts().get(0))
                .isEqualTo(new Verdict("broken", 0, 1, Answer.FAILED, "not mine"));
        assertDefect(throwing, "not mine");
    }

    @Test
    void nullIsNoDecision() {
        Mediator silent = mediator(1, 0, "silent", context -> null);

        Verdict verdict = choose(silent).verdicts().get(0);
        assertThat(verdict.answer()).isEqualTo(Answer.FAILED);
        assertThat(verdict.reason()).contains("null");
        assertDefect(silent, "null");
    }

    @Test
    void anImpossibleLayoutLosesTheDevice() {
        FakeMediation mediation = new FakeMediation();
        mediation.description = region -> RegionInfo.mappable(region.index(), region.size() * 2);
        Mediator impossible = mediator(1, 0, "impossible", context -> {
            contexts.add(context);
            return Decision.accept(mediation);
        });
        Chosen chosen = choose(impossible, mediator(2, 0, "good", context -> Decision.accept(new FakeMediation())));

        assertThat(chosen.verdicts().get(0).answer()).isEqualTo(Answer.FAILED);
        assertThat(chosen.verdicts().get(0).reason()).startsWith("region 0 has size");
        assertThat(chosen.mediator().name()).isEqualTo("good");
        assertThat(mediation.closed).as("accepted, so it must be closed").hasValue(1);
        assertDefect(impossible, "region 0 has size");
        assertContextsInvalid();
    }

    @Test
    void aMediationThatFailsToDescribeARegionIsClosed() {
        FakeMediation mediation = new FakeMediation();
        mediation.description = region -> null;
        mediation.onClose = () -> {
            throw new IllegalStateException("close fails as well");
        };
        Mediator broken = mediator(1, 0, "broken", context -> Decision.accept(mediation));

        assertThat(choose(broken).verdicts().get(0).answer()).isEqualTo(Answer.FAILED);
        assertThat(mediation.closed).hasValue(1);
        assertThat(broken.info().failures()).as("describing and closing").isEqualTo(2);
    }

    @Test
    void contextsOfThoseWhoDoNotMediateAreInvalid() {
        choose(
                mediator(1, 0, "declining", context -> {
                    contexts.add(context);
                    return Decision.decline("no");
                }),
                mediator(2, 0, "throwing", context -> {
                    contexts.add(context);
                    throw new IllegalStateException("no");
                }));

        assertThat(contexts).hasSize(2);
        assertContextsInvalid();
    }

    @Test
    void addedRegionsFollowThoseOfTheDevice() {
        RegionInfo added = new RegionInfo(-1, 4096, Set.of(Flag.READ), List.of(), 0x8086, 3);
        Chosen chosen = choose(mediator(1, 0, "adding", context -> {
            contexts.add(context);
            assertThat(context.addRegion(added)).isEqualTo(1);
            assertThat(context.addRegion(added)).isEqualTo(2);
            return Decision.accept(new FakeMediation());
        }));

        assertThat(chosen.regions())
                .containsExactly(setting.hardware.regions.get(0), added.withIndex(1), added.withIndex(2));
        assertRefused(Errno.EINVAL, () -> contexts.get(0).addRegion(added)).contains("only while");
    }

    @Test
    void addedRegionsOfOneWhoDeclinesAreForgotten() {
        RegionInfo added = new RegionInfo(-1, 4096, Set.of(Flag.READ), List.of(), 0x8086, 3);
        Chosen chosen = choose(
                mediator(1, 0, "fickle", context -> {
                    context.addRegion(added);
                    return Decision.decline("after all, no");
                }),
                mediator(2, 0, "good", context -> Decision.accept(new FakeMediation())));

        assertThat(chosen.regions()).hasSize(1);
    }

    @Test
    void addedRegionsNeedAType() {
        Chosen chosen = choose(mediator(1, 0, "adding", context -> {
            assertRefused(Errno.EINVAL, () -> context.addRegion(RegionInfo.trapped(0, 4096)))
                    .contains("type");
            return Decision.accept(new FakeMediation());
        }));

        assertThat(chosen.regions()).hasSize(1);
    }

    private Chosen choose(Mediator... mediators) {
        List<Verdict> verdicts = new ArrayList<>();
        Layer layer = setting.choice().first(List.of(mediators), Inheritance.NONE, Setting.VENDOR_LIMIT, verdicts);
        return new Chosen(layer, verdicts);
    }

    private void assertDefect(Mediator mediator, String message) {
        assertThat(mediator.info().failures()).isEqualTo(1);
        assertThat(log.entries(Level.WARNING))
                .singleElement()
                .asString()
                .contains(mediator.name(), message, FakeFunction.ADDRESS.toString());
    }

    private void assertContextsInvalid() {
        for (MediationContext context : contexts) {
            assertRefused(Errno.ENODEV, () -> context.hardware().read(Setting.access(0, 0, 4)));
            assertRefused(Errno.ENODEV, () -> context.hardware().write(Setting.access(0, 0, 4)));
            assertRefused(Errno.ENODEV, () -> context.hardware().regionInfo(0));
            assertRefused(Errno.ENODEV, () -> context.hardware().memory(0));
            assertRefused(Errno.ENODEV, () -> context.hardware().regionCount());
            assertRefused(Errno.ENODEV, () -> context.memory().read(0, ByteBuffer.allocate(1)));
            assertRefused(Errno.ENODEV, () -> context.memory().write(0, ByteBuffer.allocate(1)));
            assertRefused(Errno.ENODEV, () -> context.addRegion(new RegionInfo(0, 4096, Set.of(), List.of(), 1, 0)));
        }
        assertThat(setting.hardware.reads + setting.hardware.writes).isZero();
    }

    private static Mediator mediator(long serviceId, int ranking, String name, MediateOps ops) {
        return new Mediator(FakeReference.of(serviceId, ranking, name), ops);
    }

    private static MediateOps declining(String reason) {
        return context -> Decision.decline(reason);
    }
}
