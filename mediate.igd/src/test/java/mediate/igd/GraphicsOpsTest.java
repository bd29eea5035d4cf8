package mediate.igd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;

class GraphicsOpsTest {
    @Test
    void acceptsTheIdsOfItsListWithAMediationForEach() {
        GraphicsOps ops = new GraphicsOps(ids("5927", "193b"));
        Decision first = ops.open(opening(0x8086, 0x5927, 0x030000));
        Decision second = ops.open(opening(0x8086, 0x193b, 0x038000));

        assertThat(first).isInstanceOf(Decision.Accepted.class);
        assertThat(second).isInstanceOf(Decision.Accepted.class);
        assertThat(((Decision.Accepted) first).mediation())
                .isInstanceOf(GraphicsMediation.class)
                .isNotSameAs(((Decision.Accepted) second).mediation());
    }

    @Test
    void declinesOtherIdsAndSaysWhereTheListIs() {
        assertThat(new GraphicsOps(ids("5927")).open(opening(0x8086, 0x193b, 0x030000)))
                .isEqualTo(Decision.decline("8086:193b is not in device.ids of mediate.igd"));
        assertThat(new GraphicsOps(ids()).open(opening(0x8086, 0x5927, 0x030000)))
                .isEqualTo(Decision.decline("8086:5927 is not in device.ids of mediate.igd"));
    }

    @Test
    void declinesOtherVendorsAndOtherClassesWhateverTheirId() {
        GraphicsOps ops = new GraphicsOps(ids("5927"));

        assertThat(ops.open(opening(0x1234, 0x5927, 0x030000)))
                .isEqualTo(Decision.decline("1234:5927 is not an Intel graphics device"));
        assertThat(ops.open(opening(0x8086, 0x5927, 0x020000)))
                .isEqualTo(Decision.decline("8086:5927 is not an Intel graphics device"));
    }

    /** As people write them: in either case, with blanks, twice. */
    @Test
    void readsIdsGenerously() {
        GraphicsOps ops = new GraphicsOps(ids("193B", " 5927", "5927"));

        assertThat(ops.open(opening(0x8086, 0x193b, 0x030000))).isInstanceOf(Decision.Accepted.class);
        assertThat(ops.open(opening(0x8086, 0x5927, 0x030000))).isInstanceOf(Decision.Accepted.class);
    }

    @Test
    void addsTheDynamicTrapRegion() {
        FakeContext context = new FakeContext();

        new GraphicsOps(ids("5927")).open(context);

        assertThat(context.added).singleElement().satisfies(region -> {
            assertThat(region.type()).isEqualTo(4);
            assertThat(region.subtype()).isEqualTo(1);
        });
        assertThat(context.asked).isEmpty();
    }

    @Test
    void takesOverWhatItsPredecessorLeft() {
        FakeContext context = new FakeContext().leaving(new GraphicsState(5, 6, 2, 1, true).encode());

        Decision decision = new GraphicsOps(ids("5927")).open(context);

        assertThat(((Decision.Accepted) decision).mediation().counters())
                .containsOnly(
                        entry("bar0.reads.trapped", 5L),
                        entry("bar0.writes.trapped", 6L),
                        entry("traps", 2L),
                        entry("untraps", 1L));
        assertThat(context.added).hasSize(1);
    }

    static Stream<Arguments> statesOfOthers() {
        byte[] good = new GraphicsState(5, 6, 2, 1, true).encode().data();
        byte[] negative = good.clone();
        negative[15] = (byte) 0x80;
        byte[] neither = good.clone();
        neither[32] = 2;
        return Stream.of(
                arguments(new HandOverState("igd", 2, good), "igd version 2, 33 bytes"),
                arguments(new HandOverState("i40e", 1, good), "i40e version 1, 33 bytes"),
                arguments(new HandOverState("igd", 1, Arrays.copyOf(good, 32)), "igd version 1, 32 bytes"),
                arguments(new HandOverState("igd", 1, Arrays.copyOf(good, 34)), "igd version 1, 34 bytes"),
                arguments(new HandOverState("igd", 1, new byte[0]), "igd version 1, 0 bytes"),
                arguments(new HandOverState("igd", 1, negative), "values"),
                arguments(new HandOverState("igd", 1, neither), "values"));
    }

    @ParameterizedTest
    @MethodSource("statesOfOthers")
    void declinesAStateThatItCannotRead(HandOverState state, String reason) {
        FakeContext context = new FakeContext().leaving(state);

        assertThat(new GraphicsOps(ids("5927")).open(context))
                .isInstanceOfSatisfying(Decision.Declined.class, declined -> assertThat(declined.reason())
                        .contains(reason));
        assertThat(context.added).isEmpty();
    }

    private static GraphicsOps.Configuration ids(String... ids) {
        Class<GraphicsOps.Configuration> type = GraphicsOps.Configuration.class;
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> ids));
    }

    private static MediationContext opening(int vendor, int device, int classCode) {
        return new FakeContext(vendor, device, classCode);
    }
}
