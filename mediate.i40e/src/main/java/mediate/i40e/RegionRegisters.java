package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.Regions;

/**
 * Registers of one region of the device underneath. Each access is one of its own, so several threads may use it; not for paths on
 * which nothing may be allocated.
 */
record RegionRegisters(Regions regions, int region) {
    /** Bytes of the region. */
    long size() {
        return regions.regionInfo(region).size();
    }

    int getInt(long offset) {
        ByteBuffer data = data();
        regions.read(new RegionAccess().wrap(region, offset, Integer.BYTES, data, 0));
        return data.getInt(0);
    }

    void putInt(long offset, int value) {
        regions.write(new RegionAccess().wrap(region, offset, Integer.BYTES, data().putInt(0, value), 0));
    }

    void putShort(long offset, int value) {
        regions.write(new RegionAccess().wrap(region, offset, Short.BYTES, data().putShort(0, (short) value), 0));
    }

    private static ByteBuffer data() {
        return ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }
}
