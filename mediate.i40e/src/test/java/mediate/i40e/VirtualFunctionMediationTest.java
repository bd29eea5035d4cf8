package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciRegion;

class VirtualFunctionMediationTest {
    private final FakeContext context = new FakeContext();
    private final VirtualFunctionMediation mediation =
            new VirtualFunctionMediation(context, Settings.DEFAULT, VirtualFunctionState.NEW);
    private final ByteBuffer data = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);

    /**
     * As the proposal; of those that trap later, both hold the tails that move when packets arrive. The page with messages to the host is
     * always trapped.
     */
    @Test
    void offersBar0InFiveAreas() {
        RegionInfo offered = mediation.regionInfo(RegionInfo.mappable(PciRegion.BAR0, 0x10000));

        assertThat(offered.areas())
                .containsExactly(
                        SparseArea.direct(0, 0x2000),
                        SparseArea.disablable(0x2000, 0x1000),
                        SparseArea.direct(0x3000, 0x3000),
                        SparseArea.disablable(0x6000, 0x2000),
                        SparseArea.direct(0x9000, 0x7000));
    }

    @Test
    void theAreasCoverTheRegionButForThePageOfMessages() {
        for (long size : new long[] {0xa000, 0x10000, 0x20000}) {
            List<SparseArea> areas = mediation
                    .regionInfo(RegionInfo.mappable(PciRegion.BAR0, size))
                    .areas();
            long end = 0;
            for (SparseArea area : areas) {
                assertThat(area.offset()).isEqualTo(end == 0x8000 ? 0x9000 : end);
                assertThat(area.size()).isPositive();
                end = area.end();
            }
            assertThat(end).isEqualTo(size);
        }
    }

    @Test
    void leavesARegionAloneInWhichTheAreasHaveNoRoom() {
        for (RegionInfo region : List.of(
                RegionInfo.mappable(PciRegion.BAR0, 0x9000),
                RegionInfo.absent(PciRegion.BAR0),
                RegionInfo.mappable(PciRegion.BAR3, 0x10000),
                RegionInfo.trapped(PciRegion.CONFIG, 4096))) {
            assertThat(mediation.regionInfo(region)).isSameAs(region);
        }
    }

    @Test
    void countsAccessesToBar0AndPassesEverythingThrough() {
        assertThat(mediation.read(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR0))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.read(access(PciRegion.CONFIG))).isEqualTo(Result.PASS_THROUGH);
        assertThat(mediation.write(access(PciRegion.BAR3))).isEqualTo(Result.PASS_THROUGH);

        assertThat(mediation.counters())
                .containsOnly(
                        entry("migration.possible", 0L),
                        entry("tracking.pages.marked", 0L),
                        entry("tracking.doubts", 0L),
                        entry("tracking.outstanding", 0L),
                        entry("bar0.reads.trapped", 2L),
                        entry("bar0.writes.trapped", 1L),
                        entry("tracking.requested", 0L),
                        entry("tracking.in.force", 0L),
                        entry("tracking.tail.writes", 0L));
        assertThat(context.asked).isEmpty();
    }

    @Test
    void answersItsOwnRegion() {
        int own = FakeContext.FIRST_ADDED;

        assertThat(mediation.read(access(own, 4, 4))).isEqualTo(Result.DONE);
        assertThat(data.getInt(0)).isZero();
        assertFails(Errno.EOPNOTSUPP, () -> mediation.write(access(own, 0, 4)));

        mediation.track(true);
        assertThat(mediation.read(access(own, 4, 4))).isEqualTo(Result.DONE);
        assertThat(data.getInt(0)).isEqualTo(1);
    }

    @Test
    void tracksFromTheConfirmationOn() {
        mediation.track(true);
        assertThat(context.asked).containsExactly(true);
        assertTracking(1, 0);

        mediation.trapChanged(true);
        assertTracking(1, 1);

        mediation.track(false);
        assertThat(context.asked).containsExactly(true, false);
        assertTracking(0, 0);
    }

    /** For example because the client does not know dynamic trap, or the administrator traps already. */
    @Test
    void tracksAtOnceIfItIsTrappedAlready() {
        context.alreadyTrapped = true;

        mediation.track(true);

        assertTracking(1, 1);
    }

    /** The core tells by another thread before it has answered. */
    @Test
    void aConfirmationMayComeBeforeTheAnswer() {
        context.beforeAnswer = () -> mediation.trapChanged(true);

        mediation.track(true);

        assertTracking(1, 1);
    }

    @Test
    void isNotInForceIfTheClientDidNotConfirm() {
        mediation.track(true);
        mediation.trapChanged(false);
        assertTracking(1, 0);

        mediation.track(true);
        mediation.trapChanged(true);

        assertThat(context.asked).containsExactly(true, true);
        assertTracking(1, 1);
    }

    @Test
    void isNotInForceAfterTheClientMayMapAgain() {
        mediation.track(true);
        mediation.trapChanged(true);

        mediation.trapChanged(false);

        assertTracking(1, 0);
    }

    /** The administrator may trap for reasons of his own. */
    @Test
    void trappingAloneIsNoTracking() {
        mediation.trapChanged(true);
        mediation.write(access(PciRegion.BAR0, 0x2000, 4));

        assertTracking(0, 0);
        assertThat(mediation.counters()).containsEntry("tracking.tail.writes", 0L);
    }

    @Test
    void refusesToTrackWhatCannotBeTrapped() {
        context.refusing = true;

        assertFails(Errno.EOPNOTSUPP, () -> mediation.track(true));

        assertTracking(0, 0);
    }

    /** The two pages of tails hold other registers too. */
    @ParameterizedTest
    @CsvSource({
        "0x2000, 4, 1",
        "0x203c, 4, 1",
        "0x2040, 4, 0",
        "0x2800, 4, 0",
        "0x1ffc, 4, 0",
        "0x1ffc, 8, 1",
        "0x1ff0, 64, 1",
        "0x7000, 4, 1",
        "0x7003, 1, 1",
        "0x7004, 4, 0",
        "0x6ffc, 4, 0",
        "0x7400, 4, 0",
        "0x8800, 4, 0"
    })
    void countsWritesOfTails(String offset, int length, long counted) {
        mediation.write(access(PciRegion.BAR0, Long.decode(offset), length));
        mediation.track(true);
        mediation.write(access(PciRegion.BAR0, Long.decode(offset), length));
        mediation.read(access(PciRegion.BAR0, Long.decode(offset), length));
        mediation.write(access(PciRegion.BAR3, Long.decode(offset), length));
        mediation.track(false);
        mediation.write(access(PciRegion.BAR0, Long.decode(offset), length));

        assertThat(mediation.counters()).containsEntry("tracking.tail.writes", counted);
    }

    @Test
    void leavesCountersAndTrackingToItsSuccessor() {
        mediation.read(access(PciRegion.BAR0));
        mediation.track(true);
        mediation.write(access(PciRegion.BAR0, 0x2000, 4));
        mediation.write(access(PciRegion.BAR0));

        HandOverState state = mediation.suspend().orElseThrow();

        assertThat(state.schema()).isEqualTo("i40e");
        assertThat(state.version()).isEqualTo(2);
        assertThat(VirtualFunctionState.objection(state)).isEmpty();
        assertThat(VirtualFunctionState.decode(state)).isEqualTo(state(1, 2, 1, true));
    }

    /** The format is a contract between versions of this bundle. */
    @Test
    void theStateLooksLikeThis() {
        assertThat(state(1, 0x0203, 4, true).encode().data())
                .containsExactly(1, 0, 0, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0);
    }

    @Test
    void goesOnTrackingAsItsPredecessorDid() {
        FakeContext next = new FakeContext();
        VirtualFunctionMediation successor = new VirtualFunctionMediation(next, Settings.DEFAULT, state(1, 2, 1, true));
        assertThat(next.asked).containsExactly(true);

        successor.write(access(PciRegion.BAR0, 0x2000, 4));
        successor.trapChanged(true);

        assertThat(successor.counters())
                .containsOnly(
                        entry("migration.possible", 0L),
                        entry("tracking.pages.marked", 0L),
                        entry("tracking.doubts", 0L),
                        entry("tracking.outstanding", 0L),
                        entry("bar0.reads.trapped", 1L),
                        entry("bar0.writes.trapped", 3L),
                        entry("tracking.requested", 1L),
                        entry("tracking.in.force", 1L),
                        entry("tracking.tail.writes", 2L));
    }

    @Test
    void asksForNothingIfItsPredecessorDidNotTrack() {
        FakeContext next = new FakeContext();
        new VirtualFunctionMediation(next, Settings.DEFAULT, state(1, 2, 1, false));

        assertThat(next.asked).isEmpty();
    }

    @Test
    void takesOverAlthoughTrappingIsRefusedNow() {
        FakeContext next = new FakeContext();
        next.refusing = true;
        VirtualFunctionMediation successor = new VirtualFunctionMediation(next, Settings.DEFAULT, state(1, 2, 1, true));

        assertThat(successor.counters()).contains(entry("tracking.requested", 1L), entry("tracking.in.force", 0L));
        assertThat(next.logged).last().asString().contains("refused by a test");
    }

    private static VirtualFunctionState state(long reads, long writes, long tailWrites, boolean tracking) {
        return new VirtualFunctionState(reads, writes, tailWrites, tracking, false, Optional.empty());
    }

    private void assertTracking(long requested, long inForce) {
        assertThat(mediation.counters())
                .contains(entry("tracking.requested", requested), entry("tracking.in.force", inForce));
    }

    private RegionAccess access(int region) {
        return access(region, 0, 4);
    }

    private RegionAccess access(int region, long offset, int length) {
        return new RegionAccess().wrap(region, offset, length, data, 0);
    }

    private static void assertFails(Errno expected, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(expected));
    }
}
