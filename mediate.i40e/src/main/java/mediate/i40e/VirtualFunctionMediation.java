package mediate.i40e;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.LongAdder;
import migration.region.DynamicTrapRegion;
import migration.region.Migration;
import migration.region.MigrationRegion;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/**
 * One virtual function in use: offers BAR0 in five areas, as the 2019 proposal did, counts what is trapped, and can be moved.
 *
 * <p>Areas that hold receive-queue tails and the admin receive queue are disablable, because tracking has to see those registers. The page
 * behind them is always trapped: messages to the host, which enable queues, are announced there, a few in a second.
 */
final class VirtualFunctionMediation implements Mediation {
    /** QRX_TAIL1, 4 bytes for each of 16 queues, and VFINT_ITRN1 on the same page. */
    static final long RX_TAIL_PAGE = 0x2000;

    /** VF_ARQT1. */
    static final long ARQ_TAIL_PAGE = 0x7000;

    /** Registers of the admin queues, up to VF_ARQT1. */
    private static final long ADMIN_PAGES = 0x6000;

    /** VF_ARQLEN1 and VF_ATQT1. */
    private static final long MESSAGE_PAGE = 0x8000;

    private static final long PAGE = RegionInfo.PAGE_SIZE;

    private final DynamicTrapRegion trapRegion;
    private final Tracking tracking;
    private final TrackingLog log;
    private final Optional<FunctionMigration> function;
    private final Optional<Migration> migration;
    private final Optional<MigrationRegion> migrationRegion;
    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();

    /** Adds its region to the device. */
    VirtualFunctionMediation(MediationContext context, Settings settings, VirtualFunctionState before) {
        trapRegion = DynamicTrapRegion.add(context);
        tracking = new Tracking(context, before);
        log = new TrackingLog(context.logger());
        function = context.hardwareState()
                .map(hardware -> new FunctionMigration(context, hardware, settings, tracking, log));
        migration = function.map(FunctionMigration::migration);
        if (migration.isEmpty()) {
            context.logger()
                    .log(
                            Level.INFO,
                            "cannot be moved: nobody here knows the part of its state that its registers do not show");
        }
        migrationRegion = settings.region().flatMap(region -> migration.map(known -> region.add(context, known)));
        reads.add(before.reads());
        writes.add(before.writes());
        tracking.restore(before.tracking());
        restore(context, before);
    }

    @Override
    public RegionInfo regionInfo(RegionInfo hardware) {
        if (hardware.index() != PciRegion.BAR0 || hardware.size() <= MESSAGE_PAGE + PAGE) {
            return hardware;
        }
        return hardware.withAreas(List.of(
                SparseArea.direct(0, RX_TAIL_PAGE),
                SparseArea.disablable(RX_TAIL_PAGE, PAGE),
                SparseArea.direct(RX_TAIL_PAGE + PAGE, ADMIN_PAGES - RX_TAIL_PAGE - PAGE),
                SparseArea.disablable(ADMIN_PAGES, MESSAGE_PAGE - ADMIN_PAGES),
                SparseArea.direct(MESSAGE_PAGE + PAGE, hardware.size() - MESSAGE_PAGE - PAGE)));
    }

    @Override
    public Result read(RegionAccess access) {
        if (access.region() == trapRegion.index()) {
            return trapRegion.read(access);
        }
        if (access.region() == PciRegion.BAR0) {
            reads.increment();
        } else if (migrationRegion.isPresent()
                && access.region() == migrationRegion.get().index()) {
            return migrationRegion.get().read(access);
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
            function.ifPresent(known -> known.write(access));
        } else if (access.region() == PciRegion.CONFIG) {
            function.filter(known -> known.isResetBy(access)).ifPresent(known -> resetByRegister());
        } else if (migrationRegion.isPresent()
                && access.region() == migrationRegion.get().index()) {
            return migrationRegion.get().write(access);
        }
        return Result.PASS_THROUGH;
    }

    @Override
    public @Nullable SharedMemory mmap(int region) {
        return migrationRegion
                .filter(known -> known.index() == region)
                .flatMap(MigrationRegion::memory)
                .orElse(null);
    }

    @Override
    public Optional<Migratable> migration(String user) {
        return migration.map(known -> known.as(user));
    }

    @Override
    public void reset() {
        function.ifPresent(FunctionMigration::reset);
        migration.ifPresent(Migration::reset);
    }

    @Override
    public void interrupt(int index, int vector) {
        if (index == PciInterrupt.MSIX) {
            function.ifPresent(known -> known.interrupt(vector));
        }
    }

    @Override
    public void track(boolean wanted) {
        tracking.request(wanted);
    }

    @Override
    public void trapChanged(boolean trapped) {
        tracking.trapChanged(trapped);
        if (!trapped) {
            function.ifPresent(FunctionMigration::trapLost);
        }
    }

    @Override
    public Map<String, Long> counters() {
        return Map.of(
                "bar0.reads.trapped", reads.sum(),
                "bar0.writes.trapped", writes.sum(),
                "migration.possible", migration.isPresent() ? 1L : 0L,
                "tracking.requested", tracking.requested() ? 1L : 0L,
                "tracking.in.force", tracking.inForce() ? 1L : 0L,
                "tracking.tail.writes", tracking.tailWrites(),
                "tracking.pages.marked", log.marked().sum(),
                "tracking.doubts", log.doubts(),
                "tracking.outstanding",
                        function.map(FunctionMigration::outstanding).orElse(0L));
    }

    @Override
    public Optional<HandOverState> suspend() {
        return Optional.of(new VirtualFunctionState(
                        reads.sum(),
                        writes.sum(),
                        tracking.tailWrites(),
                        tracking.requested(),
                        migration.filter(known -> !runs(known)).isPresent(),
                        migration
                                .flatMap(Migration::logger)
                                .flatMap(user -> function.flatMap(known -> known.logged(user))))
                .encode());
    }

    /** Goes on where the mediation before this one was. What that had noted is lost, so all counts as written. */
    private void restore(MediationContext context, VirtualFunctionState before) {
        migration.ifPresent(known -> {
            if (before.stopped()) {
                known.fail();
                context.logger()
                        .log(
                                Level.WARNING,
                                "the driver was replaced while the device was stopped for migration: its state is lost,"
                                        + " and it stays stopped until it is reset");
            }
        });
        before.logged()
                .ifPresent(logged -> function.ifPresent(known -> {
                    try {
                        known.resumeLogging(migration.orElseThrow().as(logged.user()), logged);
                    } catch (VfioException e) {
                        context.logger()
                                .log(
                                        Level.WARNING,
                                        "what the device writes is not logged any more: {0}",
                                        e.getMessage());
                    }
                }));
    }

    /** A device that was stopped runs after a reset; one that runs is still logged. */
    private void resetByRegister() {
        function.ifPresent(FunctionMigration::reset);
        migration.filter(known -> !runs(known)).ifPresent(Migration::reset);
    }

    @Override
    public void close() {
        migrationRegion.ifPresent(MigrationRegion::close);
    }

    private static boolean runs(Migration migration) {
        return migration.state() == MigrationState.RUNNING || migration.state() == MigrationState.PRE_COPY;
    }
}
