package vfio.user;

import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Layout;

/** Commands that describe or reset the device. Each returns the size of the reply's data. */
final class DeviceCommands {
    private DeviceCommands() {}

    static int getInfo(Session session) {
        session.requireSize(Layout.DeviceInfo.SIZE);
        session.requireArgsz(Layout.DeviceInfo.ARGSZ, Layout.DeviceInfo.SIZE);
        session.putInt(Layout.DeviceInfo.ARGSZ, Layout.DeviceInfo.SIZE)
                .putInt(
                        Layout.DeviceInfo.FLAGS,
                        Layout.DeviceInfo.FLAGS_PCI
                                | (session.device().resettable() ? Layout.DeviceInfo.FLAGS_RESET : 0))
                .putInt(Layout.DeviceInfo.NUM_REGIONS, session.device().regionCount())
                .putInt(Layout.DeviceInfo.NUM_IRQS, session.device().interruptCount());
        return Layout.DeviceInfo.SIZE;
    }

    static int getRegionInfo(Session session) {
        session.requireSize(Layout.RegionInfo.SIZE);
        session.requireArgsz(Layout.RegionInfo.ARGSZ, Layout.RegionInfo.SIZE);
        int room = session.getInt(Layout.RegionInfo.ARGSZ);
        RegionInfo region = session.device().regionInfo(session.getInt(Layout.RegionInfo.INDEX));
        MappedMemory memory = memory(session, region);
        if (memory == null) {
            // Either it never was mappable, or the last of it has been withdrawn since it was described.
            region = region.withAreas(List.of());
        }
        boolean areaFlags = session.agreed().dynamicTrap();
        int areaSize = areaFlags ? Layout.RegionInfo.SPARSE_AREA_SIZE_FLAGS : Layout.RegionInfo.SPARSE_AREA_SIZE;
        int sparseSize = region.areas().isEmpty()
                ? 0
                : Layout.RegionInfo.SPARSE_AREAS + region.areas().size() * areaSize;
        int typeSize = region.type() == 0 ? 0 : Layout.RegionInfo.TYPE_SIZE;
        int needed = Layout.RegionInfo.SIZE + sparseSize + typeSize;
        boolean capabilities = needed > Layout.RegionInfo.SIZE && Integer.compareUnsigned(needed, room) <= 0;

        int flags = capabilities ? Layout.RegionInfo.FLAGS_CAPS : 0;
        for (RegionInfo.Flag flag : region.flags()) {
            flags |= flag.bit();
        }
        session.putInt(Layout.RegionInfo.ARGSZ, needed)
                .putInt(Layout.RegionInfo.FLAGS, flags)
                .putInt(Layout.RegionInfo.INDEX, region.index())
                .putInt(Layout.RegionInfo.CAP_OFFSET, capabilities ? Layout.RegionInfo.SIZE : 0)
                .putLong(Layout.RegionInfo.LENGTH, region.size())
                .putLong(Layout.RegionInfo.OFFSET, memory == null ? 0 : memory.fileOffset());
        if (memory != null) {
            session.attach(memory.descriptor());
        }
        if (!capabilities) {
            return Layout.RegionInfo.SIZE;
        }
        int at = Layout.RegionInfo.SIZE;
        if (sparseSize != 0) {
            putSparse(session, at, typeSize == 0 ? 0 : at + sparseSize, region.areas(), areaFlags);
            at += sparseSize;
        }
        if (typeSize != 0) {
            putCapability(session, at, Layout.RegionInfo.CAP_TYPE, 1, 0)
                    .putInt(at + Layout.RegionInfo.TYPE_TYPE, region.type())
                    .putInt(at + Layout.RegionInfo.TYPE_SUBTYPE, region.subtype());
        }
        return needed;
    }

    static int getRegionIoFds(Session session) {
        session.requireSize(Layout.RegionIoFds.SIZE);
        session.requireArgsz(Layout.RegionIoFds.ARGSZ, Layout.RegionIoFds.SIZE);
        if (session.getInt(Layout.RegionIoFds.FLAGS) != 0 || session.getInt(Layout.RegionIoFds.COUNT) != 0) {
            throw Session.invalid("flags and count of a request for I/O descriptors must be 0");
        }
        int region = session.device()
                .regionInfo(session.getInt(Layout.RegionIoFds.INDEX))
                .index();
        session.putInt(Layout.RegionIoFds.ARGSZ, Layout.RegionIoFds.SIZE)
                .putInt(Layout.RegionIoFds.FLAGS, 0)
                .putInt(Layout.RegionIoFds.INDEX, region)
                .putInt(Layout.RegionIoFds.COUNT, 0);
        return Layout.RegionIoFds.SIZE;
    }

    static int getIrqInfo(Session session) {
        session.requireSize(Layout.IrqInfo.SIZE);
        session.requireArgsz(Layout.IrqInfo.ARGSZ, Layout.IrqInfo.SIZE);
        InterruptInfo info = session.device().interruptInfo(session.getInt(Layout.IrqInfo.INDEX));
        int flags = 0;
        for (InterruptInfo.Flag flag : info.flags()) {
            flags |= flag.bit();
        }
        session.putInt(Layout.IrqInfo.ARGSZ, Layout.IrqInfo.SIZE)
                .putInt(Layout.IrqInfo.FLAGS, flags)
                .putInt(Layout.IrqInfo.INDEX, info.index())
                .putInt(Layout.IrqInfo.COUNT, info.count());
        return Layout.IrqInfo.SIZE;
    }

    static int reset(Session session) {
        session.requireSize(0);
        session.device().reset();
        return 0;
    }

    /** What the client maps the region from; null if it cannot be mapped. */
    private static @Nullable MappedMemory memory(Session session, RegionInfo region) {
        SharedMemory memory = region.is(RegionInfo.Flag.MMAP) ? session.device().mmap(region.index()) : null;
        if (memory == null) {
            return null;
        }
        if (!(memory instanceof MappedMemory mapped)) {
            throw new VfioException(
                    Errno.EIO,
                    "region " + region.index()
                            + " is offered for mapping, but its memory does not come from the SharedMemory.Factory service");
        }
        return mapped;
    }

    private static void putSparse(Session session, int at, int next, List<SparseArea> areas, boolean flags) {
        putCapability(
                        session,
                        at,
                        Layout.RegionInfo.CAP_SPARSE_MMAP,
                        flags ? Layout.RegionInfo.SPARSE_VERSION_FLAGS : 1,
                        next)
                .putInt(at + Layout.RegionInfo.SPARSE_NR_AREAS, areas.size())
                .putInt(at + Layout.RegionInfo.SPARSE_NR_AREAS + Integer.BYTES, 0);
        int entry = at + Layout.RegionInfo.SPARSE_AREAS;
        for (SparseArea area : areas) {
            session.putLong(entry + Layout.RegionInfo.SPARSE_OFFSET, area.offset())
                    .putLong(entry + Layout.RegionInfo.SPARSE_SIZE, area.size());
            if (flags) {
                session.putInt(
                                entry + Layout.RegionInfo.SPARSE_FLAGS,
                                area.disablable() ? Layout.RegionInfo.SPARSE_FLAGS_DISABLABLE : 0)
                        .putInt(entry + Layout.RegionInfo.SPARSE_RESERVED, 0);
            }
            entry += flags ? Layout.RegionInfo.SPARSE_AREA_SIZE_FLAGS : Layout.RegionInfo.SPARSE_AREA_SIZE;
        }
    }

    private static Session putCapability(Session session, int at, int id, int version, int next) {
        return session.putShort(at + Layout.RegionInfo.CAP_ID, id)
                .putShort(at + Layout.RegionInfo.CAP_VERSION, version)
                .putInt(at + Layout.RegionInfo.CAP_NEXT, next);
    }
}
