package mediate.igd;

import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciRegion;

/** One graphics device in use: of BAR0 only the window [32 KiB, 64 KiB) may be mapped, and that is disablable. */
final class GraphicsMediation implements Mediation {
    static final long WINDOW = 32 << 10;
    static final long WINDOW_END = 64 << 10;

    private final LongAdder reads = new LongAdder();
    private final LongAdder writes = new LongAdder();

    @Override
    public RegionInfo regionInfo(RegionInfo hardware) {
        if (hardware.index() != PciRegion.BAR0 || hardware.size() < WINDOW_END) {
            return hardware;
        }
        return hardware.withAreas(List.of(SparseArea.disablable(WINDOW, WINDOW_END - WINDOW)));
    }

    @Override
    public Result read(RegionAccess access) {
        if (access.region() == PciRegion.BAR0) {
            reads.increment();
        }
        return Result.PASS_THROUGH;
    }

    @Override
    public Result write(RegionAccess access) {
        if (access.region() == PciRegion.BAR0) {
            writes.increment();
        }
        return Result.PASS_THROUGH;
    }

    @Override
    public Map<String, Long> counters() {
        return Map.of("bar0.reads.trapped", reads.sum(), "bar0.writes.trapped", writes.sum());
    }
}
