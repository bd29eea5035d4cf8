package vfio.user.client;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Layout;

/** Asks what the device is, and maps its regions. */
final class DeviceClient implements AutoCloseable {
    private final Exchange exchange;
    /** What came with the last information about a region. Guarded by itself. */
    private final Map<Integer, RegionFile> files = new HashMap<>();

    private record RegionFile(RegionInfo info, Descriptor descriptor, long offset) {}

    DeviceClient(Exchange exchange) {
        this.exchange = exchange;
    }

    DeviceInfo info() {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.DeviceInfo.ARGSZ, Layout.DeviceInfo.SIZE)
                    .putInt(Layout.DeviceInfo.FLAGS, 0)
                    .putInt(Layout.DeviceInfo.NUM_REGIONS, 0)
                    .putInt(Layout.DeviceInfo.NUM_IRQS, 0);
            exchange.request(call, Command.DEVICE_GET_INFO, Layout.DeviceInfo.SIZE, Layout.DeviceInfo.SIZE);
            int flags = call.getInt(Layout.DeviceInfo.FLAGS);
            return new DeviceInfo(
                    (flags & Layout.DeviceInfo.FLAGS_RESET) != 0,
                    (flags & Layout.DeviceInfo.FLAGS_PCI) != 0,
                    call.getInt(Layout.DeviceInfo.NUM_REGIONS),
                    call.getInt(Layout.DeviceInfo.NUM_IRQS));
        } finally {
            exchange.end(call);
        }
    }

    RegionInfo regionInfo(int region) {
        Call call = exchange.begin();
        try {
            if (requestRegionInfo(call, region, Layout.RegionInfo.SIZE) > Layout.RegionInfo.SIZE) {
                call.closeDescriptors();
                // There may be more areas by now, and a region without its areas would look mappable as a whole.
                int room = exchange.channel().dataMaximum();
                int needed = requestRegionInfo(call, region, room);
                if (needed > room) {
                    throw call.broken("information about a region in " + needed + " bytes");
                }
            }
            RegionInfo info = parse(call, region);
            keep(call, info);
            return info;
        } finally {
            exchange.end(call);
        }
    }

    InterruptInfo interruptInfo(int index) {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.IrqInfo.ARGSZ, Layout.IrqInfo.SIZE)
                    .putInt(Layout.IrqInfo.FLAGS, 0)
                    .putInt(Layout.IrqInfo.INDEX, index)
                    .putInt(Layout.IrqInfo.COUNT, 0);
            exchange.request(call, Command.DEVICE_GET_IRQ_INFO, Layout.IrqInfo.SIZE, Layout.IrqInfo.SIZE);
            int bits = call.getInt(Layout.IrqInfo.FLAGS);
            Set<InterruptInfo.Flag> flags = EnumSet.noneOf(InterruptInfo.Flag.class);
            for (InterruptInfo.Flag flag : InterruptInfo.Flag.values()) {
                if ((bits & flag.bit()) != 0) {
                    flags.add(flag);
                }
            }
            return new InterruptInfo(call.getInt(Layout.IrqInfo.INDEX), call.getInt(Layout.IrqInfo.COUNT), flags);
        } finally {
            exchange.end(call);
        }
    }

    int regionIoFds(int region) {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.RegionIoFds.ARGSZ, exchange.channel().dataMaximum())
                    .putInt(Layout.RegionIoFds.FLAGS, 0)
                    .putInt(Layout.RegionIoFds.INDEX, region)
                    .putInt(Layout.RegionIoFds.COUNT, 0);
            exchange.request(call, Command.DEVICE_GET_REGION_IO_FDS, Layout.RegionIoFds.SIZE, Layout.RegionIoFds.SIZE);
            return call.getInt(Layout.RegionIoFds.COUNT);
        } finally {
            exchange.end(call);
        }
    }

    MappedMemory map(int region, @Nullable SparseArea part) {
        if (file(region) == null) {
            regionInfo(region);
        }
        synchronized (files) {
            RegionFile file = files.get(region);
            if (file == null) {
                throw new VfioException(Errno.EINVAL, "region " + region + " cannot be mapped");
            }
            List<SparseArea> areas = file.info().mappableAreas();
            SparseArea area = part == null ? SparseArea.direct(0, file.info().size()) : part;
            if (areas.stream().noneMatch(offered -> contains(offered, area))) {
                throw new VfioException(
                        Errno.EINVAL, area + " of region " + region + " cannot be mapped, only " + areas);
            }
            Descriptor descriptor = file.descriptor().duplicate();
            try {
                return MappedMemory.mapRegion(
                        descriptor,
                        file.offset() + area.offset(),
                        area.size(),
                        file.info().is(RegionInfo.Flag.WRITE));
            } catch (VfioException e) {
                descriptor.close();
                throw e;
            }
        }
    }

    @Override
    public void close() {
        synchronized (files) {
            files.values().forEach(file -> file.descriptor().close());
            files.clear();
        }
    }

    /** Returns how much room the whole information needs; it has come if there was as much. */
    private int requestRegionInfo(Call call, int region, int room) {
        call.putInt(Layout.RegionInfo.ARGSZ, room)
                .putInt(Layout.RegionInfo.FLAGS, 0)
                .putInt(Layout.RegionInfo.INDEX, region)
                .putInt(Layout.RegionInfo.CAP_OFFSET, 0)
                .putLong(Layout.RegionInfo.LENGTH, 0)
                .putLong(Layout.RegionInfo.OFFSET, 0);
        exchange.request(call, Command.DEVICE_GET_REGION_INFO, Layout.RegionInfo.SIZE, Layout.RegionInfo.SIZE);
        int needed = call.getInt(Layout.RegionInfo.ARGSZ);
        if (needed < Layout.RegionInfo.SIZE) {
            throw call.broken("information about a region in " + Integer.toUnsignedString(needed) + " bytes");
        }
        return needed;
    }

    private @Nullable RegionFile file(int region) {
        synchronized (files) {
            return files.get(region);
        }
    }

    private void keep(Call call, RegionInfo info) {
        List<Descriptor> descriptors = call.takeDescriptors();
        if (info.is(RegionInfo.Flag.MMAP) != (descriptors.size() == 1)) {
            descriptors.forEach(Descriptor::close);
            throw call.broken(descriptors.size() + " descriptors with " + info);
        }
        synchronized (files) {
            RegionFile old = descriptors.isEmpty()
                    ? files.remove(info.index())
                    : files.put(
                            info.index(),
                            new RegionFile(info, descriptors.get(0), call.getLong(Layout.RegionInfo.OFFSET)));
            if (old != null) {
                old.descriptor().close();
            }
        }
    }

    private static RegionInfo parse(Call call, int region) {
        int bits = call.getInt(Layout.RegionInfo.FLAGS);
        Set<RegionInfo.Flag> flags = EnumSet.noneOf(RegionInfo.Flag.class);
        for (RegionInfo.Flag flag : RegionInfo.Flag.values()) {
            if ((bits & flag.bit()) != 0) {
                flags.add(flag);
            }
        }
        RegionInfo info = new RegionInfo(region, call.getLong(Layout.RegionInfo.LENGTH), flags, List.of(), 0, 0);
        if ((bits & Layout.RegionInfo.FLAGS_CAPS) == 0) {
            if (call.getInt(Layout.RegionInfo.ARGSZ) > Layout.RegionInfo.SIZE) {
                throw call.broken("its capabilities are missing");
            }
            return info;
        }
        int at = call.getInt(Layout.RegionInfo.CAP_OFFSET);
        int before = 0;
        while (at != 0) {
            if (at <= before || at < Layout.RegionInfo.SIZE || at > call.size() - Layout.RegionInfo.SPARSE_NR_AREAS) {
                throw call.broken("a capability at " + at);
            }
            info = switch (call.getShort(at + Layout.RegionInfo.CAP_ID)) {
                case Layout.RegionInfo.CAP_SPARSE_MMAP -> info.withAreas(areas(call, at));
                case Layout.RegionInfo.CAP_TYPE -> typed(call, at, info);
                default -> info;
            };
            before = at;
            at = call.getInt(at + Layout.RegionInfo.CAP_NEXT);
        }
        return info;
    }

    private static List<SparseArea> areas(Call call, int at) {
        int version = call.getShort(at + Layout.RegionInfo.CAP_VERSION);
        if (version > Layout.RegionInfo.SPARSE_VERSION_FLAGS) {
            throw call.broken("sparse areas in version " + version);
        }
        boolean flags = version == Layout.RegionInfo.SPARSE_VERSION_FLAGS;
        int size = flags ? Layout.RegionInfo.SPARSE_AREA_SIZE_FLAGS : Layout.RegionInfo.SPARSE_AREA_SIZE;
        int room = call.size() - at - Layout.RegionInfo.SPARSE_AREAS;
        int count = room < 0 ? -1 : call.getInt(at + Layout.RegionInfo.SPARSE_NR_AREAS);
        if (count < 0 || count > room / size) {
            throw call.broken(count + " sparse areas");
        }
        List<SparseArea> areas = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            int area = at + Layout.RegionInfo.SPARSE_AREAS + index * size;
            areas.add(new SparseArea(
                    call.getLong(area + Layout.RegionInfo.SPARSE_OFFSET),
                    call.getLong(area + Layout.RegionInfo.SPARSE_SIZE),
                    flags
                            && (call.getInt(area + Layout.RegionInfo.SPARSE_FLAGS)
                                            & Layout.RegionInfo.SPARSE_FLAGS_DISABLABLE)
                                    != 0));
        }
        return areas;
    }

    private static RegionInfo typed(Call call, int at, RegionInfo info) {
        if (at > call.size() - Layout.RegionInfo.TYPE_SIZE) {
            throw call.broken("a type that is cut off");
        }
        return new RegionInfo(
                info.index(),
                info.size(),
                info.flags(),
                info.areas(),
                call.getInt(at + Layout.RegionInfo.TYPE_TYPE),
                call.getInt(at + Layout.RegionInfo.TYPE_SUBTYPE));
    }

    private static boolean contains(SparseArea whole, SparseArea part) {
        return part.offset() >= whole.offset()
                && part.size() > 0
                && part.offset() - whole.offset() <= whole.size() - part.size();
    }
}
