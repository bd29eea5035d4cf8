package vfio.sim;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.Regions;
import vfio.pci.api.pci.PciRegion;

/** Reads and writes one region the way a client does. */
final class Accessor {
    private final Regions regions;
    private final int region;
    private final RegionAccess access = new RegionAccess();
    private final ByteBuffer buffer = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);

    Accessor(Regions regions, int region) {
        this.regions = regions;
        this.region = region;
    }

    static Accessor config(Regions regions) {
        return new Accessor(regions, PciRegion.CONFIG);
    }

    long read(long offset, int width) {
        regions.read(access.wrap(region, offset, width, buffer, 0));
        return access.value();
    }

    int read(long offset) {
        return (int) read(offset, 4);
    }

    byte[] readBytes(long offset, int count) {
        regions.read(access.wrap(region, offset, count, buffer, 0));
        byte[] bytes = new byte[count];
        buffer.get(0, bytes);
        return bytes;
    }

    void write(long offset, int width, long value) {
        access.wrap(region, offset, width, buffer, 0).setValue(value);
        regions.write(access);
    }

    void write(long offset, int value) {
        write(offset, 4, value);
    }

    void writeBytes(long offset, byte... bytes) {
        buffer.put(0, bytes);
        regions.write(access.wrap(region, offset, bytes.length, buffer, 0));
    }
}
