package vfio.sim;

import vfio.pci.api.device.Memory;
import vfio.pci.api.device.RegionAccess;

/** Copies between memory and the data of an access in the widest aligned pieces, without allocation. */
final class Transfer {
    private Transfer() {}

    /** Copies {@code count} bytes from memory to the data starting at {@code index}. */
    static void read(Memory memory, long offset, RegionAccess access, int index, int count) {
        long from = offset;
        int to = index;
        int left = count;
        while (left > 0) {
            int width = width(from, left);
            switch (width) {
                case 8 -> access.putLong(to, memory.getLong(from));
                case 4 -> access.putInt(to, memory.getInt(from));
                case 2 -> access.putShort(to, memory.getShort(from));
                default -> access.put(to, memory.getByte(from));
            }
            from += width;
            to += width;
            left -= width;
        }
    }

    /** Copies {@code count} bytes of the data starting at {@code index} to memory. */
    static void write(Memory memory, long offset, RegionAccess access, int index, int count) {
        long to = offset;
        int from = index;
        int left = count;
        while (left > 0) {
            int width = width(to, left);
            switch (width) {
                case 8 -> memory.putLong(to, access.getLong(from));
                case 4 -> memory.putInt(to, access.getInt(from));
                case 2 -> memory.putShort(to, access.getShort(from));
                default -> memory.putByte(to, access.get(from));
            }
            from += width;
            to += width;
            left -= width;
        }
    }

    private static int width(long offset, int left) {
        long alignment = Long.lowestOneBit(offset | 8);
        return (int) Math.min(alignment, Integer.highestOneBit(Math.min(left, 8)));
    }
}
