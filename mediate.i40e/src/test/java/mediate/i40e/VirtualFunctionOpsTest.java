package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

class VirtualFunctionOpsTest {
    private static final PciAddress PARENT = PciAddress.parse("0000:03:00.0");
    private static final PciAddress OTHER_PARENT = PciAddress.parse("0000:04:00.0");

    private final VirtualFunctionOps ops = new VirtualFunctionOps(PARENT, Settings.DEFAULT);

    @Test
    void acceptsEachVfOfItsPfWithAMediationOfItsOwn() {
        Decision first = ops.open(opening(new FakeFunction("0000:03:02.0", PARENT, 0)));
        Decision second = ops.open(opening(new FakeFunction("0000:03:02.1", PARENT, 1)));

        assertThat(first).isInstanceOf(Decision.Accepted.class);
        assertThat(second).isInstanceOf(Decision.Accepted.class);
        assertThat(((Decision.Accepted) first).mediation())
                .isInstanceOf(VirtualFunctionMediation.class)
                .isNotSameAs(((Decision.Accepted) second).mediation());
    }

    /** Same ids, another card: the id alone must not decide. */
    @Test
    void declinesVfsOfAnotherPf() {
        assertThat(ops.open(opening(new FakeFunction("0000:04:02.1", OTHER_PARENT, 1))))
                .isEqualTo(Decision.decline("VF 1 of 0000:04:00.0, not of 0000:03:00.0"));
    }

    @Test
    void declinesWhatIsNoVf() {
        assertThat(ops.open(opening(new FakeFunction("0000:00:02.0", null, -1))))
                .isEqualTo(Decision.decline("0000:00:02.0 is not a virtual function"));
    }

    @Test
    void addsTheDynamicTrapRegion() {
        FakeContext context = new FakeContext();

        ops.open(context);

        assertThat(context.added).singleElement().satisfies(region -> {
            assertThat(region.type()).isEqualTo(4);
            assertThat(region.subtype()).isEqualTo(1);
        });
        assertThat(context.asked).isEmpty();
    }

    @Test
    void takesOverWhatItsPredecessorLeft() {
        FakeContext context = new FakeContext().leaving(state(5, 6, 2, true).encode());

        Decision decision = ops.open(context);

        assertThat(((Decision.Accepted) decision).mediation().counters())
                .containsOnly(
                        entry("migration.possible", 0L),
                        entry("tracking.pages.marked", 0L),
                        entry("tracking.doubts", 0L),
                        entry("tracking.outstanding", 0L),
                        entry("bar0.reads.trapped", 5L),
                        entry("bar0.writes.trapped", 6L),
                        entry("tracking.requested", 1L),
                        entry("tracking.in.force", 0L),
                        entry("tracking.tail.writes", 2L));
        assertThat(context.added).hasSize(1);
    }

    static Stream<Arguments> statesOfOthers() {
        byte[] good = Arrays.copyOf(state(5, 6, 2, true).encode().data(), 25);
        byte[] logging = Arrays.copyOf(good, 40);
        logging[26] = 1;
        logging[35] = 1;
        byte[] negative = good.clone();
        negative[15] = (byte) 0x80;
        byte[] neither = good.clone();
        neither[24] = 2;
        return Stream.of(
                arguments(new HandOverState("i40e", 3, good), "i40e version 3, 25 bytes"),
                arguments(new HandOverState("i40e", 2, good), "values"),
                arguments(new HandOverState("i40e", 2, logging), "values"),
                arguments(new HandOverState("igd", 1, good), "igd version 1, 25 bytes"),
                arguments(new HandOverState("i40e", 1, Arrays.copyOf(good, 24)), "i40e version 1, 24 bytes"),
                arguments(new HandOverState("i40e", 1, Arrays.copyOf(good, 26)), "i40e version 1, 26 bytes"),
                arguments(new HandOverState("i40e", 1, new byte[0]), "i40e version 1, 0 bytes"),
                arguments(new HandOverState("i40e", 1, negative), "values"),
                arguments(new HandOverState("i40e", 1, neither), "values"));
    }

    @ParameterizedTest
    @MethodSource("statesOfOthers")
    void declinesAStateThatItCannotRead(HandOverState state, String reason) {
        FakeContext context = new FakeContext().leaving(state);

        assertThat(ops.open(context))
                .isInstanceOfSatisfying(Decision.Declined.class, declined -> assertThat(declined.reason())
                        .contains(reason));
        assertThat(context.added).isEmpty();
    }

    private static VirtualFunctionState state(long reads, long writes, long tailWrites, boolean tracking) {
        return new VirtualFunctionState(reads, writes, tailWrites, tracking, false, Optional.empty());
    }

    private static MediationContext opening(PciDevice device) {
        return new FakeContext(device);
    }
}
