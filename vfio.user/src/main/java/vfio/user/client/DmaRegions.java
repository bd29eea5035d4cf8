package vfio.user.client;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Byte arrays that the server reaches by messages; what is in none of them goes to another handler. */
final class DmaRegions implements DmaHandler {
    private final ConcurrentSkipListMap<Long, byte[]> arrays = new ConcurrentSkipListMap<>(Long::compareUnsigned);
    private final DmaHandler next;

    DmaRegions(DmaHandler next) {
        this.next = next;
    }

    /** Remembers an array, unless there is one at that address already. */
    boolean add(long iova, byte[] memory) {
        return arrays.putIfAbsent(iova, memory) == null;
    }

    void remove(long iova) {
        arrays.remove(iova);
    }

    void clear() {
        arrays.clear();
    }

    @Override
    public void read(long iova, ByteBuffer destination) {
        Map.Entry<Long, byte[]> entry = arrays.floorEntry(iova);
        if (entry == null || iova - entry.getKey() >= entry.getValue().length) {
            next.read(iova, destination);
        } else {
            destination.put(entry.getValue(), index(entry, iova, destination.remaining()), destination.remaining());
        }
    }

    @Override
    public void write(long iova, ByteBuffer source) {
        Map.Entry<Long, byte[]> entry = arrays.floorEntry(iova);
        if (entry == null || iova - entry.getKey() >= entry.getValue().length) {
            next.write(iova, source);
        } else {
            source.get(entry.getValue(), index(entry, iova, source.remaining()), source.remaining());
        }
    }

    private static int index(Map.Entry<Long, byte[]> entry, long iova, int count) {
        int index = (int) (iova - entry.getKey());
        if (count > entry.getValue().length - index) {
            throw new VfioException(Errno.EFAULT, "a DMA request exceeds its mapping");
        }
        return index;
    }
}
