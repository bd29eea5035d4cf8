package vfio.user;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/**
 * A device whose regions are memory; checks what an open device promises to check, and remembers what was asked. Its trap
 * layout is changed by {@link #trap}, as an administrator does it.
 */
final class FakeDevice implements OpenDevice {
    /** Mappable in two parts; two others are mappable only for clients that can be told to let them go. */
    static final int SPARSE = PciRegion.BAR0;

    static final int WHOLE = PciRegion.BAR1;
    static final int TRAPPED = PciRegion.BAR2;
    static final int READ_ONLY = PciRegion.BAR3;
    static final int ABSENT = PciRegion.BAR4;

    /** Mappable in one part, and that only for clients that can be told to let it go. */
    static final int DISABLABLE = PciRegion.BAR5;

    static final int TYPED = PciRegion.COUNT;
    static final int TYPED_AND_SPARSE = PciRegion.COUNT + 1;

    static final int SPARSE_SIZE = 0x10000;
    static final int WHOLE_SIZE = 0x2000;
    static final int TRAPPED_SIZE = 4 << 20;
    static final int TYPE = 0x8000_8086;
    static final int SUBTYPE = 7;
    static final int VECTORS = 40;

    static final List<SparseArea> AREAS = List.of(SparseArea.direct(0x1000, 0x1000), SparseArea.direct(0x4000, 0x2000));
    static final List<SparseArea> ALL_AREAS = List.of(
            SparseArea.disablable(0, 0x1000),
            SparseArea.direct(0x1000, 0x1000),
            SparseArea.direct(0x4000, 0x2000),
            SparseArea.disablable(0x8000, 0x1000));

    final List<String> events = new CopyOnWriteArrayList<>();
    final ClientMemory clientMemory;
    final Set<ClientFeature> features;
    final Map<Integer, Map<Integer, Signal>> connected = new TreeMap<>();

    volatile Consumer<RegionAccess> beforeRead = access -> {};
    volatile Consumer<RegionAccess> beforeWrite = access -> {};
    volatile Consumer<String> beforeWithdrawal = reason -> {};
    volatile boolean resettable = true;
    volatile VfioException failure;
    volatile boolean recording = true;
    volatile boolean closed;
    volatile Optional<String> awaiting = Optional.empty();
    volatile HandOverStatistics handOvers = new HandOverStatistics(0, Duration.ZERO, Duration.ZERO);
    volatile IntConsumer beforeInfo = region -> {};
    volatile UnaryOperator<RegionInfo> afterInfo = info -> info;
    volatile @Nullable FakeMigratable migration;
    volatile String mover = "";
    volatile Runnable beforeUnmap = () -> {};
    final FakeTrapSwitch trapSwitch = new FakeTrapSwitch();

    private final PciDevice device;
    private final String user;
    private final List<RegionInfo> regions;
    private final Map<Integer, MappedMemory> memory = new HashMap<>();
    private final List<DmaMapping> mappings = new CopyOnWriteArrayList<>();
    private final Runnable whenClosed;

    FakeDevice(
            PciDevice device,
            String user,
            ClientMemory clientMemory,
            Set<ClientFeature> features,
            Runnable whenClosed) {
        this.device = device;
        this.user = user;
        this.clientMemory = clientMemory;
        this.features = features;
        this.whenClosed = whenClosed;
        List<RegionInfo> all = new ArrayList<>();
        for (int index = 0; index <= TYPED_AND_SPARSE; index++) {
            all.add(RegionInfo.absent(index));
        }
        all.set(SPARSE, RegionInfo.mappable(SPARSE, SPARSE_SIZE).withAreas(ALL_AREAS));
        all.set(
                DISABLABLE,
                RegionInfo.mappable(DISABLABLE, 0x3000).withAreas(List.of(SparseArea.disablable(0x1000, 0x1000))));
        all.set(WHOLE, RegionInfo.mappable(WHOLE, WHOLE_SIZE));
        all.set(TRAPPED, RegionInfo.trapped(TRAPPED, TRAPPED_SIZE));
        all.set(READ_ONLY, new RegionInfo(READ_ONLY, 4096, EnumSet.of(RegionInfo.Flag.READ), List.of(), 0, 0));
        all.set(PciRegion.CONFIG, RegionInfo.trapped(PciRegion.CONFIG, 4096));
        all.set(TYPED, new RegionInfo(TYPED, 4096, EnumSet.of(RegionInfo.Flag.READ), List.of(), TYPE, SUBTYPE));
        all.set(
                TYPED_AND_SPARSE,
                new RegionInfo(
                        TYPED_AND_SPARSE, SPARSE_SIZE, EnumSet.allOf(RegionInfo.Flag.class), AREAS, TYPE, SUBTYPE));
        regions = List.copyOf(all);
        for (RegionInfo region : regions) {
            if (region.size() != 0) {
                memory.put(region.index(), MappedMemory.allocate("fake region", region.size()));
            }
        }
    }

    MappedMemory memory(int region) {
        return memory.get(region);
    }

    @Override
    public PciDevice device() {
        return device;
    }

    @Override
    public String user() {
        return user;
    }

    @Override
    public Optional<String> mediator() {
        return Optional.empty();
    }

    @Override
    public Optional<String> awaiting() {
        return awaiting;
    }

    @Override
    public HandOverStatistics handOvers() {
        return handOvers;
    }

    @Override
    public void trap(boolean trapped) {
        trapSwitch.request(trapped);
    }

    @Override
    public TrapStatus trapStatus() {
        return trapSwitch.status();
    }

    @Override
    public Migratable migration(String user) {
        FakeMigratable movable = migration;
        if (movable == null) {
            throw new VfioException(Errno.ENOTTY, "nobody moves it");
        }
        mover = user;
        return movable;
    }

    @Override
    public void track(boolean tracking) {
        throw new VfioException(Errno.EOPNOTSUPP, "it does not track");
    }

    @Override
    public void withdraw(String reason) {
        beforeWithdrawal.accept(reason);
        close();
    }

    @Override
    public Map<String, Long> counters() {
        return Map.of();
    }

    @Override
    public int regionCount() {
        return regions.size();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        beforeInfo.accept(region);
        return afterInfo.apply(described(region));
    }

    private RegionInfo described(int region) {
        RegionInfo all = known(region);
        boolean withdrawn = !knowsDynamicTrap() || trapSwitch.requested();
        return withdrawn && !all.areas().isEmpty()
                ? all.withAreas(
                        all.areas().stream().filter(area -> !area.disablable()).toList())
                : all;
    }

    private RegionInfo known(int region) {
        if (region < 0 || region >= regions.size()) {
            throw new VfioException(Errno.EINVAL, "no region " + region);
        }
        return regions.get(region);
    }

    @Override
    public void read(RegionAccess access) {
        check(access, RegionInfo.Flag.READ);
        beforeRead.accept(access);
        MappedMemory source = memory.get(access.region());
        if (access.length() == Integer.BYTES) {
            access.putInt(0, source.getInt(access.offset()));
            return;
        }
        for (int index = 0; index < access.length(); index++) {
            access.put(index, source.getByte(access.offset() + index));
        }
        record("read " + access);
    }

    @Override
    public void write(RegionAccess access) {
        check(access, RegionInfo.Flag.WRITE);
        beforeWrite.accept(access);
        MappedMemory destination = memory.get(access.region());
        if (access.length() == Integer.BYTES) {
            destination.putInt(access.offset(), access.getInt(0));
            return;
        }
        for (int index = 0; index < access.length(); index++) {
            destination.putByte(access.offset() + index, access.get(index));
        }
        record("write " + access);
    }

    @Override
    public SharedMemory mmap(int region) {
        return described(region).is(RegionInfo.Flag.MMAP) ? memory.get(region) : null;
    }

    @Override
    public int interruptCount() {
        return knowsDynamicTrap() ? PciInterrupt.TRAP_CHANGED + 1 : PciInterrupt.COUNT;
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        if (index == PciInterrupt.TRAP_CHANGED && knowsDynamicTrap()) {
            return FakeTrapSwitch.INTERRUPT;
        }
        return switch (index) {
            case 0 ->
                new InterruptInfo(
                        0,
                        1,
                        Set.of(InterruptInfo.Flag.EVENTFD, InterruptInfo.Flag.MASKABLE, InterruptInfo.Flag.AUTOMASKED));
            case 1 -> InterruptInfo.absent(1);
            case 2 -> new InterruptInfo(2, VECTORS, Set.of(InterruptInfo.Flag.EVENTFD, InterruptInfo.Flag.NORESIZE));
            case 3, 4 -> new InterruptInfo(index, 1, Set.of(InterruptInfo.Flag.EVENTFD));
            default -> throw new VfioException(Errno.EINVAL, "no interrupt " + index);
        };
    }

    @Override
    public synchronized void connect(int index, InterruptAction action, int start, List<Signal> signals) {
        failIfTold();
        record("connect " + index + " " + action + " " + start + "+" + signals.size());
        if (index == PciInterrupt.TRAP_CHANGED) {
            trapSwitch.connect(signals.get(0));
            return;
        }
        Map<Integer, Signal> vectors = connected.computeIfAbsent(index, ignored -> new TreeMap<>());
        for (int at = 0; at < signals.size(); at++) {
            Signal old =
                    signals.get(at) == null ? vectors.remove(start + at) : vectors.put(start + at, signals.get(at));
            if (old != null) {
                old.close();
            }
        }
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        failIfTold();
        record("act " + index + " " + action + " " + start + "+" + count);
        if (index == PciInterrupt.TRAP_CHANGED && action == InterruptAction.UNMASK) {
            trapSwitch.acknowledge();
        }
    }

    @Override
    public synchronized void disable(int index) {
        failIfTold();
        record("disable " + index);
        if (index == PciInterrupt.TRAP_CHANGED) {
            trapSwitch.connect(null);
            return;
        }
        Map<Integer, Signal> vectors = connected.remove(index);
        if (vectors != null) {
            vectors.values().forEach(Signal::close);
        }
    }

    @Override
    public void map(DmaMapping mapping) {
        failIfTold();
        if (Long.compareUnsigned(mapping.last(), mapping.iova()) < 0) {
            throw new VfioException(Errno.EINVAL, "beyond the end of the address space");
        }
        if (mappings.stream().anyMatch(other -> other.overlaps(mapping.iova(), mapping.size()))) {
            throw new VfioException(Errno.EEXIST, "overlap");
        }
        mappings.add(mapping);
    }

    @Override
    public void unmap(long iova, long size) {
        List<DmaMapping> found = mappings.stream()
                .filter(mapping -> mapping.overlaps(iova, size))
                .toList();
        if (size == 0
                || found.isEmpty()
                || found.stream()
                        .anyMatch(mapping -> Long.compareUnsigned(mapping.iova(), iova) < 0
                                || Long.compareUnsigned(mapping.last(), iova + size - 1) > 0)) {
            throw new VfioException(Errno.ENOENT, "not mapped");
        }
        beforeUnmap.run();
        mappings.removeAll(found);
        for (DmaMapping mapping : found) {
            if (mapping.memory() != null) {
                mapping.memory().close();
            }
        }
    }

    @Override
    public List<DmaMapping> mappings() {
        return List.copyOf(mappings);
    }

    @Override
    public DmaSpace memory() {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean resettable() {
        return resettable;
    }

    @Override
    public void reset() {
        failIfTold();
        if (!resettable) {
            throw new VfioException(Errno.EOPNOTSUPP, "no reset");
        }
        record("reset");
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        trapSwitch.connect(null);
        connected.values().forEach(vectors -> vectors.values().forEach(Signal::close));
        connected.clear();
        mappings.forEach(mapping -> {
            if (mapping.memory() != null) {
                mapping.memory().close();
            }
        });
        mappings.clear();
        memory.values().forEach(MappedMemory::close);
        whenClosed.run();
    }

    private boolean knowsDynamicTrap() {
        return features.contains(ClientFeature.DYNAMIC_TRAP);
    }

    private void check(RegionAccess access, RegionInfo.Flag flag) {
        RegionInfo region = known(access.region());
        if (access.offset() < 0 || access.offset() > region.size() - access.length()) {
            throw new VfioException(Errno.EINVAL, "out of bounds");
        }
        if (!region.is(flag)) {
            throw new VfioException(Errno.EACCES, "not permitted");
        }
    }

    private void record(String event) {
        if (recording) {
            events.add(event);
        }
    }

    private void failIfTold() {
        VfioException told = failure;
        if (told != null) {
            throw told;
        }
    }
}
