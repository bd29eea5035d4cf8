package mediate.i40e;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.LongAdder;
import migration.region.DynamicTrapRegion;
import migration.region.Migration;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciRegion;

/**
 * One virtual function in use: offers BAR0 in the five areas of the 2019 proposal and counts what is trapped.
 *
 * <p>Areas that hold receive-queue tails and the admin receive queue's tail are disablable, because tracking has to see those
 * registers. The proposal let the third area run into the fourth; here it ends where that begins.
 */
final class VirtualFunctionMediation implements Mediation {
    /** QRX_TAIL1, 4 bytes for each of 16 queues, and VFINT_ITRN1 on the same page. */
    static final long RX_TAIL_PAGE = 0x2000;

    /** VF_ARQT1. */
    static final long ARQ_TAIL_PAGE = 0x7000;

    private static final long PAGE = RegionInfo.PAGE_SIZE;

    private final DynamicTrapRegion trapRegion;
    private final Tracking tracking;
    private final Optional<Migration> migration;
    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();

    /** Adds its region to the device. */
    VirtualFunctionMediation(MediationContext context, VirtualFunctionState before) {
        trapRegion = DynamicTrapRegion.add(context);
        tracking = new Tracking(context, before);
        migration = context.hardwareState().map(hardware -> FunctionMigration.of(context, hardware));
        if (migration.isEmpty()) {
            context.logger()
                    .log(
                            Level.INFO,
                            "cannot be moved: nobody here knows the part of its state that its registers do not show");
        }
        reads.add(before.reads());
        writes.add(before.writes());
        tracking.restore(before.tracking());
    }

    @Override
    public RegionInfo regionInfo(RegionInfo hardware) {
        if (hardware.index() != PciRegion.BAR0 || hardware.size() <= ARQ_TAIL_PAGE + PAGE) {
            return hardware;
        }
        long behind = ARQ_TAIL_PAGE + PAGE;
        return hardware.withAreas(List.of(
                SparseArea.direct(0, RX_TAIL_PAGE),
                SparseArea.disablable(RX_TAIL_PAGE, PAGE),
                SparseArea.direct(RX_TAIL_PAGE + PAGE, ARQ_TAIL_PAGE - RX_TAIL_PAGE - PAGE),
                SparseArea.disablable(ARQ_TAIL_PAGE, PAGE),
                SparseArea.direct(behind, hardware.size() - behind)));
    }

    @Override
    public Result read(RegionAccess access) {
        if (access.region() == trapRegion.index()) {
            return trapRegion.read(access);
        }
        if (access.region() == PciRegion.BAR0) {
            reads.increment();
        }
        return Result.PASS_THROUGH;
    }

    @Override
    public Result write(RegionAccess access) {
        if (access.region() == trapRegion.index()) {
            return trapRegion.write(access);
        }
        if (access.region() == PciRegion.BAR0) {
            writes.increment();
            tracking.write(access);
        }
        return Result.PASS_THROUGH;
    }

    @Override
    public Optional<Migratable> migration(String user) {
        return migration.map(known -> known.as(user));
    }

    @Override
    public void reset() {
        migration.ifPresent(Migration::reset);
    }

    @Override
    public void track(boolean wanted) {
        tracking.request(wanted);
    }

    @Override
    public void trapChanged(boolean trapped) {
        tracking.trapChanged(trapped);
    }

    @Override
    public Map<String, Long> counters() {
        return Map.of(
                "migration.possible",
                migration.isPresent() ? 1L : 0L,
                "bar0.reads.trapped",
                reads.sum(),
                "bar0.writes.trapped",
                writes.sum(),
                "tracking.requested",
                tracking.requested() ? 1L : 0L,
                "tracking.in.force",
                tracking.inForce() ? 1L : 0L,
                "tracking.tail.writes",
                tracking.tailWrites());
    }

    @Override
    public Optional<HandOverState> suspend() {
        return Optional.of(
                new VirtualFunctionState(reads.sum(), writes.sum(), tracking.tailWrites(), tracking.requested())
                        .encode());
    }
}
