package vfio.pci.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.Mediation;

/** Counts, and does what a test has set; passes through by default. */
final class FakeMediation implements Mediation {
    final AtomicInteger closed = new AtomicInteger();
    final List<RegionInfo> described = new ArrayList<>();
    UnaryOperator<@Nullable RegionInfo> description = UnaryOperator.identity();
    Function<RegionAccess, @Nullable Result> onAccess = access -> Result.PASS_THROUGH;
    Function<Integer, @Nullable SharedMemory> onMmap = region -> null;
    Supplier<@Nullable Optional<HandOverState>> onSuspend = Optional::empty;
    Supplier<@Nullable Map<String, Long>> onCounters = Map::of;
    Consumer<Boolean> onTrapChanged = trapped -> {};
    Runnable onClose = () -> {};
    final List<Boolean> trapChanges = new CopyOnWriteArrayList<>();
    int reads;
    int writes;

    /** One whose reads and writes do this. */
    static FakeMediation accessing(Function<RegionAccess, @Nullable Result> onAccess) {
        FakeMediation mediation = new FakeMediation();
        mediation.onAccess = onAccess;
        return mediation;
    }

    @Override
    public RegionInfo regionInfo(RegionInfo hardware) {
        described.add(hardware);
        return description.apply(hardware);
    }

    @Override
    public Result read(RegionAccess access) {
        reads++;
        return onAccess.apply(access);
    }

    @Override
    public Result write(RegionAccess access) {
        writes++;
        return onAccess.apply(access);
    }

    @Override
    public @Nullable SharedMemory mmap(int region) {
        return onMmap.apply(region);
    }

    @Override
    public Map<String, Long> counters() {
        return onCounters.get();
    }

    @Override
    public Optional<HandOverState> suspend() {
        return onSuspend.get();
    }

    @Override
    public void trapChanged(boolean trapped) {
        trapChanges.add(trapped);
        onTrapChanged.accept(trapped);
    }

    @Override
    public void close() {
        closed.incrementAndGet();
        onClose.run();
    }
}
