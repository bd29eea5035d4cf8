package migration.region;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.VfioException;

/** What stands in a region of a device, read and written 4 bytes at a time, as registers are. Lengths are multiples of 4. */
public final class RegionContent {
    private RegionContent() {}

    /**
     * Reads a part.
     *
     * @throws VfioException what the device refuses with
     */
    public static byte[] read(Regions regions, int region, long offset, int length) {
        ByteBuffer content = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        RegionAccess access = new RegionAccess();
        for (int at = 0; at < length; at += Integer.BYTES) {
            regions.read(access.wrap(region, offset + at, Integer.BYTES, content, at));
        }
        return content.array();
    }

    /**
     * Writes a part.
     *
     * @throws VfioException what the device refuses with
     */
    public static void write(Regions regions, int region, long offset, byte[] content) {
        ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
        RegionAccess access = new RegionAccess();
        for (int at = 0; at < content.length; at += Integer.BYTES) {
            regions.write(access.wrap(region, offset + at, Integer.BYTES, bytes, at));
        }
    }
}
