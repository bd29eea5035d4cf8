package mediate.i40e;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import migration.region.DirtyBitmap;
import migration.region.Migration;
import migration.region.SavedState;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.mediate.MediationContext;

/** What a virtual function has to do to be moved. */
final class FunctionMigration implements Migration.Device {
    private static final String DRIVER = "i40e";

    private final MediationContext context;
    private final HardwareState hardware;
    private final Settings settings;
    private final Tracking tracking;
    private final TrackingLog log;
    private final FunctionState state;
    private volatile @Nullable Logged logged;
    private volatile @Nullable FunctionReset resetBit;

    /** Whether logging goes on that began before this driver. */
    private boolean resumes;

    /**
     * What is being logged.
     *
     * @param pageSize as it was asked for
     * @param ranges as they were asked for
     */
    record Logged(long pageSize, List<DmaRange> ranges, Tracker tracker) {}

    FunctionMigration(
            MediationContext context, HardwareState hardware, Settings settings, Tracking tracking, TrackingLog log) {
        this.context = context;
        this.hardware = hardware;
        this.settings = settings;
        this.tracking = tracking;
        this.log = log;
        state = new FunctionState(context.hardware(), hardware);
    }

    /** The migration of this function. */
    Migration migration() {
        Origin origin = new Origin(context.device().ids(), DRIVER, FunctionState.SCHEMA, RegionInfo.PAGE_SIZE);
        return new Migration(
                origin, hardware.parts().containsAll(settings.tracking().parts()), this);
    }

    @Override
    public void stop() {
        hardware.freeze();
        Logged current = logged;
        if (current != null) {
            current.tracker.stop();
        }
    }

    @Override
    public void run() {
        hardware.thaw();
    }

    @Override
    public List<Section> save() {
        return state.save();
    }

    @Override
    public Set<String> sections() {
        return state.sections();
    }

    @Override
    public void load(SavedState saved) {
        state.load(saved);
        Logged current = logged;
        if (current != null) {
            current.tracker.replaced();
        }
    }

    @Override
    public DirtyBitmap track(long pageSize, List<DmaRange> ranges) {
        DirtyPages dirty = new DirtyPages(context, pageSize, ranges, log.marked());
        boolean traps = settings.tracking() == Settings.Tracking.TAILS;
        if (traps) {
            tracking.requireTrap(resumes);
        } else {
            context.relayInterrupts(true);
        }
        Tracker tracker = settings.tracking().tracker(context, hardware, settings.rules(), dirty, log);
        logged = new Logged(pageSize, ranges, tracker);
        tracker.start();
        if (traps && !tracking.isTrapped()) {
            tracker.lose(Tracking.LOST);
        }
        return tracker.bitmap();
    }

    @Override
    public void sync() {
        Logged current = logged;
        if (current != null) {
            current.tracker.sync();
        }
    }

    @Override
    public void untrack() {
        logged = null;
        if (settings.tracking() == Settings.Tracking.TAILS) {
            tracking.releaseTrap();
        } else {
            context.relayInterrupts(false);
        }
    }

    /** What is being logged, for a successor; empty if nothing is. */
    Optional<VirtualFunctionState.Logged> logged(String user) {
        return Optional.ofNullable(logged)
                .map(current -> new VirtualFunctionState.Logged(user, current.pageSize, current.ranges));
    }

    /** Goes on logging, with all marked, since nobody knows what was written meanwhile. */
    void resumeLogging(Migratable hands, VirtualFunctionState.Logged before) {
        resumes = true;
        try {
            hands.startLogging(before.pageSize(), before.ranges());
        } finally {
            resumes = false;
        }
        Logged current = logged;
        if (current != null) {
            current.tracker.bitmap().markAll();
        }
    }

    /** Whether a write of the configuration space resets the function. */
    boolean isResetBy(RegionAccess access) {
        FunctionReset bit = resetBit;
        if (bit == null) {
            bit = FunctionReset.of(state.space());
            resetBit = bit;
        }
        return bit.isRequestedBy(access);
    }

    /** How many buffers are known that the device may write. */
    long outstanding() {
        Logged current = logged;
        return current == null ? 0 : current.tracker.outstanding();
    }

    /** BAR0 is about to be written. */
    void write(RegionAccess access) {
        Logged current = logged;
        if (current != null) {
            current.tracker.write(access);
        }
    }

    /** The client is about to hear of an interrupt. */
    void interrupt(int vector) {
        Logged current = logged;
        if (current != null) {
            current.tracker.interrupt(vector);
        }
    }

    /** The function is reset. */
    void reset() {
        Logged current = logged;
        if (current != null) {
            current.tracker.reset();
        }
    }

    /** Accesses to the tails may reach the device unseen. */
    void trapLost() {
        Logged current = logged;
        if (current != null && settings.tracking() == Settings.Tracking.TAILS) {
            current.tracker.lose(Tracking.LOST);
        }
    }
}
