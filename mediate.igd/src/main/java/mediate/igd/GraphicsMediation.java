package mediate.igd;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.LongAdder;
import migration.region.DynamicTrapRegion;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciRegion;

/**
 * One graphics device in use: of BAR0 only the window [32 KiB, 64 KiB) may be mapped, and that is disablable. An access below
 * the window has it trapped, an access inside it that is trapped ends that.
 */
final class GraphicsMediation implements Mediation {
    static final long WINDOW = 32 << 10;
    static final long WINDOW_END = 64 << 10;

    private final DynamicTrapRegion trapRegion;
    private final TrapWish trapWish;
    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();

    /** Adds its region to the device. */
    GraphicsMediation(MediationContext context, GraphicsState before) {
        trapRegion = DynamicTrapRegion.add(context);
        trapWish = new TrapWish(context, before);
        reads.add(before.reads());
        writes.add(before.writes());
        trapWish.restore(before.wanted());
    }

    @Override
    public RegionInfo regionInfo(RegionInfo hardware) {
        if (hardware.index() != PciRegion.BAR0 || hardware.size() < WINDOW_END) {
            return hardware;
        }
        return hardware.withAreas(List.of(SparseArea.disablable(WINDOW, WINDOW_END - WINDOW)));
    }

    @Override
    public Result read(RegionAccess access) {
        if (access.region() == trapRegion.index()) {
            return trapRegion.read(access);
        }
        if (access.region() == PciRegion.BAR0) {
            reads.increment();
            steer(access.offset());
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
            steer(access.offset());
        }
        return Result.PASS_THROUGH;
    }

    @Override
    public void trapChanged(boolean trapped) {
        if (!trapped) {
            trapWish.over();
        }
    }

    @Override
    public Map<String, Long> counters() {
        return Map.of(
                "bar0.reads.trapped", reads.sum(),
                "bar0.writes.trapped", writes.sum(),
                "traps", trapWish.traps(),
                "untraps", trapWish.untraps());
    }

    @Override
    public Optional<HandOverState> suspend() {
        return Optional.of(
                new GraphicsState(reads.sum(), writes.sum(), trapWish.traps(), trapWish.untraps(), trapWish.wanted())
                        .encode());
    }

    private void steer(long offset) {
        if (offset < WINDOW) {
            trapWish.want(true);
        } else if (offset < WINDOW_END) {
            trapWish.want(false);
        }
    }
}
