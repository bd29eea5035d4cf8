package vfio.shell;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
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
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DeviceServer;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.manage.HostFunctions;
import vfio.pci.api.manage.HotPlug;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.NetworkCards;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/** A small bus: the XL710 with one VF, and the IGD. */
final class Fakes {
    static final FakeDevice PF = new FakeDevice(
            PciAddress.parse("0000:03:00.0"),
            new PciIds(0x8086, 0x1572, 0x8086, 0, 0x020000, 2),
            Optional.empty(),
            -1,
            Optional.of("it is a physical function with VFs in use"),
            Optional.empty());
    static final FakeDevice VF = new FakeDevice(
            PciAddress.parse("0000:03:02.0"),
            new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2),
            Optional.of(PF.address()),
            0,
            Optional.empty(),
            Optional.empty());
    static final FakeDevice IGD = new FakeDevice(
            PciAddress.parse("0000:00:02.0"),
            new PciIds(0x8086, 0x5927, 0x8086, 0x2212, 0x030000, 6),
            Optional.empty(),
            -1,
            Optional.empty(),
            Optional.empty());

    /** One of the host. */
    static final FakeDevice IGB = new FakeDevice(
            PciAddress.parse("0000:06:10.0"),
            new PciIds(0x8086, 0x10ca, 0x8086, 0, 0x020000, 1),
            Optional.empty(),
            -1,
            Optional.empty(),
            Optional.of("iommufd"));

    static final MediatorInfo I40E =
            new MediatorInfo("i40e", "VFs of 0000:03:00.0", 10, 31, "mediate.i40e 0.1.0", 12, List.of(), 0);

    private Fakes() {}

    record FakeDevice(
            PciAddress address,
            PciIds ids,
            Optional<PciAddress> physicalFunction,
            int virtualFunctionNumber,
            Optional<String> unassignableReason,
            Optional<String> openedThrough)
            implements PciDevice {
        @Override
        public String backend() {
            return "simulated";
        }

        @Override
        public Hardware open(DmaSpace memory) {
            throw new UnsupportedOperationException();
        }
    }

    static final class FakeManager implements DeviceManager {
        final Map<PciAddress, PciDevice> devices = new TreeMap<>();
        final List<MediatorInfo> mediators = new ArrayList<>();
        final Map<PciAddress, FakeOpen> opened = new HashMap<>();
        final Map<PciAddress, Explanation> explanations = new HashMap<>();
        final List<String> rebindRequests = new ArrayList<>();
        Optional<Explanation> rebound = Optional.empty();

        static FakeManager with(PciDevice... present) {
            FakeManager manager = new FakeManager();
            for (PciDevice device : present) {
                manager.devices.put(device.address(), device);
            }
            return manager;
        }

        @Override
        public List<PciDevice> devices() {
            return List.copyOf(devices.values());
        }

        @Override
        public List<MediatorInfo> mediators() {
            List<PciAddress> mediated = opened.values().stream()
                    .filter(open -> open.mediator().isPresent())
                    .map(open -> open.device().address())
                    .sorted()
                    .toList();
            return mediators.stream()
                    .map(driver -> new MediatorInfo(
                            driver.name(),
                            driver.serves(),
                            driver.ranking(),
                            driver.serviceId(),
                            driver.bundle(),
                            driver.bundleId(),
                            mediated,
                            driver.failures()))
                    .toList();
        }

        @Override
        public FakeOpen open(PciAddress address, String user, ClientMemory clientMemory, Set<ClientFeature> features) {
            if (devices.get(address).unassignableReason().isPresent()) {
                throw new VfioException(Errno.EPERM, address + " cannot be given to a VMM");
            }
            FakeOpen holder = opened.get(address);
            if (holder != null) {
                throw new VfioException(Errno.EBUSY, address + " is in use by " + holder.user);
            }
            FakeOpen open = new FakeOpen(this, devices.get(address), user);
            opened.put(address, open);
            return open;
        }

        @Override
        public FakeOpen open(PciAddress address, String user, ClientMemory clientMemory) {
            return open(address, user, clientMemory, Set.of());
        }

        @Override
        public Explanation rebind(PciAddress address, Optional<String> driver) {
            rebindRequests.add(address + " to " + driver.orElse("anybody"));
            return rebound.orElseThrow(() -> new VfioException(Errno.ENODEV, address + " is not open"));
        }

        @Override
        public Optional<OpenDevice> opened(PciAddress address) {
            return Optional.ofNullable(opened.get(address));
        }

        @Override
        public Optional<Explanation> explain(PciAddress address) {
            return Optional.ofNullable(explanations.get(address));
        }
    }

    /** A bus that remembers what it was asked for; the VF is missing. */
    static final class FakeHotPlug implements HotPlug {
        final List<Place> places = new ArrayList<>(
                List.of(new Place(IGD, true, 0, 0), new Place(PF, true, 1, 32), new Place(VF, false, 0, 0)));
        final List<String> requests = new ArrayList<>();
        List<PciAddress> answer = List.of();

        @Override
        public List<Place> places() {
            return List.copyOf(places);
        }

        @Override
        public List<PciAddress> remove(PciAddress address) {
            return asked("remove " + address);
        }

        @Override
        public void removeAlone(PciAddress address) {
            asked("remove alone " + address);
        }

        @Override
        public List<PciAddress> add(PciAddress address) {
            return asked("add " + address);
        }

        @Override
        public List<PciAddress> setVirtualFunctions(PciAddress physicalFunction, int count) {
            if (count > 32) {
                throw new VfioException(Errno.EINVAL, physicalFunction + " can have 0 to 32");
            }
            return asked("vfs " + physicalFunction + " " + count);
        }

        private List<PciAddress> asked(String request) {
            requests.add(request);
            return answer;
        }
    }

    static final class FakeNetworkCards implements NetworkCards {
        final List<Port> ports = new ArrayList<>();
        final List<String> requests = new ArrayList<>();
        long[] written = {};

        @Override
        public List<Port> ports() {
            return List.copyOf(ports);
        }

        @Override
        public void setLink(PciAddress physicalFunction, boolean up) {
            requests.add("link " + physicalFunction + " " + up);
        }

        @Override
        public void reset(PciAddress virtualFunction) {
            requests.add("reset " + virtualFunction);
        }

        @Override
        public void logWrites(PciAddress virtualFunction, boolean log) {
            requests.add("log " + virtualFunction + " " + log);
        }

        @Override
        public long[] takeWrittenPages(PciAddress virtualFunction) {
            requests.add("take " + virtualFunction);
            return written;
        }
    }

    /** Writes down what it is asked for. */
    static final class FakeHostFunctions implements HostFunctions {
        final List<String> requests = new ArrayList<>();
        List<PciAddress> virtual = List.of();

        @Override
        public List<PciAddress> addresses() {
            return List.of(PF.address(), VF.address());
        }

        @Override
        public void rescan() {
            requests.add("rescan");
        }

        @Override
        public List<String> bind(PciAddress address, boolean force, boolean dryRun) {
            requests.add("bind " + address + " " + force + " " + dryRun);
            return List.of("first", "second");
        }

        @Override
        public List<String> unbind(PciAddress address, boolean force, boolean dryRun) {
            requests.add("unbind " + address + " " + force + " " + dryRun);
            if (!force) {
                throw new VfioException(Errno.EBUSY, address + " is in use");
            }
            return List.of("done");
        }

        @Override
        public List<PciAddress> setVirtualFunctions(PciAddress physicalFunction, int count) {
            requests.add("vfs " + physicalFunction + " " + count);
            return virtual;
        }
    }

    static final class FakeServer implements DeviceServer {
        final List<Endpoint> endpoints = new ArrayList<>();
        volatile boolean settled = true;

        static FakeServer with(PciDevice... offered) {
            FakeServer server = new FakeServer();
            for (PciDevice device : offered) {
                server.endpoints.add(new Endpoint(device, Path.of("/run/vfio-mediate/" + device.address() + ".sock")));
            }
            return server;
        }

        @Override
        public List<Endpoint> endpoints() {
            return List.copyOf(endpoints);
        }

        @Override
        public boolean settled() {
            return settled;
        }
    }

    /** BAR0 is 64 KiB with a trapped page, RSTAT reads 2; config space is 256 bytes; MSI-X has 5 vectors. */
    static final class FakeOpen implements OpenDevice {
        static final int BAR0_SIZE = 0x10000;

        final FakeManager manager;
        final PciDevice device;
        final String user;
        final List<DmaMapping> mappings = new ArrayList<>();
        final Map<Long, Long> bar0 = new HashMap<>(Map.of(0x8800L, 2L));
        boolean mediated = true;
        boolean miscounts;
        boolean closed;
        Optional<String> awaiting = Optional.empty();
        HandOverStatistics handOvers = new HandOverStatistics(0, Duration.ZERO, Duration.ZERO);
        boolean requestedTrap;
        boolean confirmsTrap;

        FakeOpen(FakeManager manager, PciDevice device, String user) {
            this.manager = manager;
            this.device = device;
            this.user = user;
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
            return mediated ? Optional.of("i40e") : Optional.empty();
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
            requestedTrap = trapped;
        }

        @Override
        public TrapStatus trapStatus() {
            return new TrapStatus(
                    TrapStatus.Mode.DYNAMIC,
                    "the client knows dynamic trap",
                    requestedTrap,
                    requestedTrap && confirmsTrap,
                    0,
                    0,
                    Duration.ZERO);
        }

        @Override
        public Migratable migration(String user) {
            throw new VfioException(Errno.ENOTTY, "nobody moves it");
        }

        @Override
        public void track(boolean tracking) {
            throw new VfioException(Errno.EOPNOTSUPP, "it does not track");
        }

        @Override
        public void withdraw(String reason) {
            close();
        }

        @Override
        public Map<String, Long> counters() {
            if (closed) {
                throw new VfioException(Errno.ENODEV, "closed");
            }
            if (miscounts) {
                throw new VfioException(Errno.EIO, "i40e failed in counters");
            }
            return mediated ? Map.of("reads", 3L, "writes", 1L) : Map.of();
        }

        @Override
        public int regionCount() {
            return PciRegion.COUNT;
        }

        @Override
        public RegionInfo regionInfo(int region) {
            return switch (region) {
                case PciRegion.BAR0 ->
                    RegionInfo.trapped(region, BAR0_SIZE)
                            .withAreas(List.of(
                                    SparseArea.direct(0, 0x8000),
                                    SparseArea.disablable(0x8000, 0x1000),
                                    SparseArea.direct(0x9000, 0x7000)));
                case PciRegion.BAR3 -> RegionInfo.mappable(region, 0x4000);
                case PciRegion.CONFIG -> RegionInfo.trapped(region, 256);
                case PciRegion.ROM -> new RegionInfo(region, 2048, EnumSet.of(RegionInfo.Flag.READ), List.of(), 0, 0);
                default -> RegionInfo.absent(region);
            };
        }

        @Override
        public void read(RegionAccess access) {
            check(access);
            access.setValue(bar0.getOrDefault(access.offset(), 0L));
        }

        @Override
        public void write(RegionAccess access) {
            check(access);
            bar0.put(access.offset(), access.value());
        }

        private void check(RegionAccess access) {
            long size = regionInfo(access.region()).size();
            if (access.offset() < 0 || access.offset() > size - access.length()) {
                throw new VfioException(
                        Errno.EINVAL, "offset 0x" + Long.toHexString(access.offset()) + " lies outside the region");
            }
        }

        @Override
        public SharedMemory mmap(int region) {
            return null;
        }

        @Override
        public int interruptCount() {
            return PciInterrupt.COUNT;
        }

        @Override
        public InterruptInfo interruptInfo(int index) {
            return index == PciInterrupt.MSIX
                    ? new InterruptInfo(index, 5, Set.of(InterruptInfo.Flag.NORESIZE, InterruptInfo.Flag.EVENTFD))
                    : InterruptInfo.absent(index);
        }

        @Override
        public void connect(int index, InterruptAction action, int start, List<Signal> signals) {}

        @Override
        public void act(int index, InterruptAction action, int start, int count) {}

        @Override
        public void disable(int index) {}

        @Override
        public void map(DmaMapping mapping) {
            mappings.add(mapping);
        }

        @Override
        public void unmap(long iova, long size) {}

        @Override
        public List<DmaMapping> mappings() {
            return mappings;
        }

        @Override
        public DmaSpace memory() {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean resettable() {
            return false;
        }

        @Override
        public void reset() {}

        @Override
        public void close() {
            closed = true;
            manager.opened.remove(device.address(), this);
        }
    }
}
