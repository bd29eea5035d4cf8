package vfio.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.ControlFile;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.SharedMemory;

/**
 * The regions of an open device: accesses are reads and writes of its file, and what may be mapped is mapped from that file. A
 * register access allocates nothing.
 */
final class HostRegions implements Regions, AutoCloseable {
    private final List<KernelRegion> regions = new ArrayList<>();
    private final List<@Nullable MappedMemory> mappable = new ArrayList<>();
    /** All regions, one behind the other as they are in the file. */
    private final MappedMemory all;

    /**
     * Asks the kernel for all regions.
     *
     * @param device stays the caller's
     * @param mapping whether users may map what the kernel lets be mapped; with that they get the device's descriptor
     */
    HostRegions(ControlFile device, String subject, int count, boolean mapping) {
        for (int index = 0; index < count; index++) {
            KernelRegion region = KernelRegion.of(device, subject, index);
            regions.add(mapping ? region : new KernelRegion(region.info().withAreas(List.of()), region.offset()));
        }
        all = device.memory(0, end(), true);
        boolean complete = false;
        try {
            for (KernelRegion region : regions) {
                RegionInfo info = region.info();
                mappable.add(
                        info.mappableAreas().isEmpty()
                                ? null
                                : device.memory(region.offset(), info.size(), info.is(RegionInfo.Flag.WRITE)));
            }
            complete = true;
        } finally {
            if (!complete) {
                close();
            }
        }
    }

    @Override
    public int regionCount() {
        return regions.size();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return regions.get(region).info();
    }

    @Override
    public void read(RegionAccess access) {
        long at = position(access);
        switch (access.length()) {
            case 1 -> access.put(0, all.getByte(at));
            case 2 -> access.putShort(0, all.getShort(at));
            case 4 -> access.putInt(0, all.getInt(at));
            case 8 -> access.putLong(0, all.getLong(at));
            default -> {
                ByteBuffer bytes = ByteBuffer.allocate(access.length()).order(ByteOrder.LITTLE_ENDIAN);
                all.get(at, bytes);
                access.copyFrom(0, bytes.flip());
            }
        }
    }

    @Override
    public void write(RegionAccess access) {
        long at = position(access);
        switch (access.length()) {
            case 1 -> all.putByte(at, access.get(0));
            case 2 -> all.putShort(at, access.getShort(0));
            case 4 -> all.putInt(at, access.getInt(0));
            case 8 -> all.putLong(at, access.getLong(0));
            default -> {
                ByteBuffer bytes = ByteBuffer.allocate(access.length()).order(ByteOrder.LITTLE_ENDIAN);
                access.copyTo(0, bytes);
                all.put(at, bytes.flip());
            }
        }
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        return mappable.get(region);
    }

    @Override
    public void close() {
        for (MappedMemory memory : mappable) {
            if (memory != null) {
                memory.close();
            }
        }
        all.close();
    }

    private long position(RegionAccess access) {
        return regions.get(access.region()).offset() + access.offset();
    }

    private long end() {
        return regions.stream()
                .mapToLong(region -> region.offset() + region.info().size())
                .max()
                .orElse(1);
    }
}
