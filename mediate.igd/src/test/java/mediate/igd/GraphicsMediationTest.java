package mediate.igd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciRegion;

class GraphicsMediationTest {
    private static final int READING = 0;
    private static final int WRITING = 1;

    private final FakeContext context = new FakeContext();
    private final GraphicsMediation mediation = new GraphicsMediation(context, GraphicsState.NEW);
    private final ByteBuffer data = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);

    @Test
    void lets32KilobytesOfBar0BeMapped() {
        assertThat(mediation
                        .regionInfo(RegionInfo.mappable(PciRegion.BAR0, 16 << 20))
                        .areas())
                .containsExactly(SparseArea.disablable(0x8000, 0x8000));
        assertThat(mediation
                        .regionInfo(RegionInfo.mappable(PciRegion.BAR0, 0x10000))
                        .areas())
                .containsExactly(SparseArea.disablable(0x8000, 0x8000));
    }

    @Test
    void leavesOtherRegionsAlone() {
        for (RegionInfo region : List.of(
                RegionInfo.mappable(PciRegion.BAR0, 0xf000),
                RegionInfo.absent(PciRegion.BAR0),
                RegionInfo.mappable(PciRegion.BAR2, 256 << 20),
                RegionInfo.trapped(PciRegion.CONFIG, 256))) {
            assertThat(mediation.regionInfo(region)).isSameAs(region);
        }
    }

    @Test
    void countsAccessesToBar0AndPassesEverythingThrough() {
        assertThat(mediation.read(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR4))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.CONFIG))).isEqualTo(Result.PASS_THROUGH);

        assertThat(mediation.counters())
                .containsEntry("bar0.reads.trapped", 1L)
                .containsEntry("bar0.writes.trapped", 2L);
    }

    @Test
    void answersItsOwnRegion() {
        int own = FakeContext.FIRST_ADDED;

        assertThat(mediation.read(access(own, 4))).isEqualTo(Result.DONE);
        assertThat(data.getInt(0)).isZero();
        assertFails(Errno.EOPNOTSUPP, () -> mediation.write(access(own, 0)));

        mediation.read(access(PciRegion.BAR0, 0));
        assertThat(mediation.read(access(own, 4))).isEqualTo(Result.DONE);
        assertThat(data.getInt(0)).isEqualTo(1);
        assertThat(mediation.counters()).containsEntry("bar0.reads.trapped", 1L);
    }

    /** The first access below the window traps it, the first that is trapped in it ends that, and so on. */
    @ParameterizedTest
    @ValueSource(ints = {READING, WRITING})
    void steersTheTrapOfItsWindow(int direction) {
        touch(direction, 0x8000);
        touch(direction, 0xffff);
        assertThat(context.asked).as("nothing to end").isEmpty();

        touch(direction, 0);
        touch(direction, 0x7fff);
        assertThat(context.asked).containsExactly(true);

        touch(direction, 0xfffc);
        touch(direction, 0x8000);
        assertThat(context.asked).containsExactly(true, false);

        touch(direction, 0x7ffc);
        assertThat(context.asked).containsExactly(true, false, true);
        assertThat(mediation.counters()).containsEntry("traps", 2L).containsEntry("untraps", 1L);
    }

    /** Half-open: 64 KiB is behind the window. */
    @Test
    void whatLiesBehindTheWindowSteersNothing() {
        touch(READING, 0x1_0000);
        touch(WRITING, 0x10_0000);
        assertThat(context.asked).isEmpty();

        touch(READING, 0);
        touch(READING, 0x1_0000);
        touch(WRITING, Long.MAX_VALUE);
        assertThat(context.asked).containsExactly(true);
    }

    @Test
    void otherRegionsSteerNothing() {
        mediation.read(access(PciRegion.BAR2, 0));
        mediation.write(access(PciRegion.CONFIG, 4));

        assertThat(context.asked).isEmpty();
    }

    /** For example because the administrator chose trap=never. */
    @Test
    void aRefusalIsRememberedAndDisturbsNoAccess() {
        context.refusing = true;

        assertThat(mediation.write(access(PciRegion.BAR0, 0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR0, 0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR0, 0x8000))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR0, 0))).isEqualTo(Result.PASS_THROUGH);

        assertThat(context.asked).containsExactly(true);
        assertThat(context.logged).singleElement().asString().contains("refused by a test");
        assertThat(mediation.counters())
                .containsOnly(
                        entry("bar0.reads.trapped", 3L),
                        entry("bar0.writes.trapped", 1L),
                        entry("traps", 0L),
                        entry("untraps", 0L));
    }

    @Test
    void asksAgainIfTheClientDidNotConfirm() {
        touch(READING, 0);
        mediation.trapChanged(true);
        touch(READING, 0);
        assertThat(context.asked).containsExactly(true);

        mediation.trapChanged(false);
        touch(READING, 0);

        assertThat(context.asked).containsExactly(true, true);
    }

    @Test
    void leavesCountersAndWishToItsSuccessor() {
        touch(READING, 0);
        touch(WRITING, 0x8000);
        touch(WRITING, 4);
        touch(WRITING, 8);

        HandOverState state = mediation.suspend().orElseThrow();

        assertThat(state.schema()).isEqualTo("igd");
        assertThat(state.version()).isEqualTo(1);
        assertThat(GraphicsState.objection(state)).isEmpty();
        assertThat(GraphicsState.decode(state)).isEqualTo(new GraphicsState(1, 3, 2, 1, true));
    }

    /** The format is a contract between versions of this bundle. */
    @Test
    void theStateLooksLikeThis() {
        assertThat(new GraphicsState(1, 0x0203, 4, 5, true).encode().data())
                .containsExactly(
                        1, 0, 0, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
                        1);
    }

    @Test
    void goesOnAsItsPredecessorLeft() {
        FakeContext next = new FakeContext();
        GraphicsMediation successor = new GraphicsMediation(next, new GraphicsState(1, 3, 2, 1, true));
        assertThat(next.asked).containsExactly(true);

        successor.read(access(PciRegion.BAR0, 0));
        assertThat(next.asked).containsExactly(true);
        successor.read(access(PciRegion.BAR0, 0x8000));

        assertThat(next.asked).containsExactly(true, false);
        assertThat(successor.counters())
                .containsOnly(
                        entry("bar0.reads.trapped", 3L),
                        entry("bar0.writes.trapped", 3L),
                        entry("traps", 2L),
                        entry("untraps", 2L));
    }

    @Test
    void asksForNothingIfItsPredecessorWantedNothing() {
        FakeContext next = new FakeContext();
        new GraphicsMediation(next, new GraphicsState(1, 3, 1, 1, false));

        assertThat(next.asked).isEmpty();
    }

    @Test
    void takesOverAlthoughTrappingIsRefusedNow() {
        FakeContext next = new FakeContext();
        next.refusing = true;
        GraphicsMediation successor = new GraphicsMediation(next, new GraphicsState(0, 0, 1, 0, true));

        successor.read(access(PciRegion.BAR0, 0));

        assertThat(next.asked).containsExactly(true);
        assertThat(next.logged).hasSize(1);
    }

    /** While one thread asks, another changes its mind: what is asked last is what is wanted. */
    @Test
    void theLastOfSeveralThreadsCounts() throws Exception {
        Thread other = new Thread(() -> mediation.read(new RegionAccess()
                .wrap(PciRegion.BAR0, 0x8000, 4, ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN), 0)));
        AtomicBoolean once = new AtomicBoolean(true);
        context.beforeAnswer = () -> {
            if (once.compareAndSet(true, false)) {
                other.start();
                joinQuietly(other);
            }
        };

        touch(READING, 0);

        assertThat(context.asked).containsExactly(true, false, false);
    }

    private void touch(int direction, long offset) {
        RegionAccess access = access(PciRegion.BAR0, offset);
        assertThat(direction == READING ? mediation.read(access) : mediation.write(access))
                .isEqualTo(Result.PASS_THROUGH);
    }

    private RegionAccess access(int region) {
        return access(region, 0);
    }

    private RegionAccess access(int region, long offset) {
        return new RegionAccess().wrap(region, offset, 4, data, 0);
    }

    private static void joinQuietly(Thread thread) {
        try {
            thread.join(20_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void assertFails(Errno expected, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(expected));
    }
}
