package mediate.i40e;

import java.util.List;
import java.util.Set;
import migration.region.Migration;
import migration.region.SavedState;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.mediate.MediationContext;

/** What a virtual function has to do to be moved. */
final class FunctionMigration implements Migration.Device {
    private static final String DRIVER = "i40e";

    private final HardwareState hardware;
    private final FunctionState state;

    private FunctionMigration(MediationContext context, HardwareState hardware) {
        this.hardware = hardware;
        state = new FunctionState(context.hardware(), hardware);
    }

    /** The migration of a function of which the host knows what its registers do not show. */
    static Migration of(MediationContext context, HardwareState hardware) {
        Origin origin = new Origin(context.device().ids(), DRIVER, FunctionState.SCHEMA, RegionInfo.PAGE_SIZE);
        return new Migration(origin, false, new FunctionMigration(context, hardware));
    }

    @Override
    public void stop() {
        hardware.freeze();
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
    }
}
