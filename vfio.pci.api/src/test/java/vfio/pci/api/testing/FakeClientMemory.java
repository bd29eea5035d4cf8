package vfio.pci.api.testing;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The client's memory: arrays at IOVAs. An access that does not lie inside one of them, or writes where it may not, fails
 * with EFAULT. Safe for several threads.
 */
public final class FakeClientMemory implements DmaSpace {
    private final List<Mapped> arrays = new CopyOnWriteArrayList<>();

    private record Mapped(DmaMapping mapping, ByteBuffer bytes) {
        ByteBuffer at(long iova, int length) {
            return bytes.slice((int) (iova - mapping.iova()), length);
        }
    }

    FakeClientMemory() {}

    /**
     * The client maps memory, which the device may read and write.
     *
     * @param array is the memory, not a copy; at least one byte
     */
    public void map(long iova, byte[] array) {
        add(iova, array, true);
    }

    /** The client maps memory that the device may read but not write. */
    public void mapReadOnly(long iova, byte[] array) {
        add(iova, array, false);
    }

    /** The client unmaps what it mapped at an IOVA. */
    public void unmap(long iova) {
        if (!arrays.removeIf(candidate -> candidate.mapping.iova() == iova)) {
            throw new IllegalStateException("nothing is mapped at 0x" + Long.toHexString(iova));
        }
    }

    @Override
    public void read(long iova, ByteBuffer destination) {
        Mapped found = find(iova, destination.remaining());
        destination.put(found.at(iova, destination.remaining()));
    }

    @Override
    public void write(long iova, ByteBuffer source) {
        Mapped found = find(iova, source.remaining());
        if (!found.mapping.writable()) {
            throw fault(iova, source.remaining(), "may not be written by the device");
        }
        found.at(iova, source.remaining()).put(source);
    }

    /** What is mapped, by address. */
    List<DmaMapping> mappings() {
        return arrays.stream()
                .map(Mapped::mapping)
                .sorted((one, other) -> Long.compareUnsigned(one.iova(), other.iova()))
                .toList();
    }

    private void add(long iova, byte[] array, boolean writable) {
        DmaMapping mapping = new DmaMapping(iova, array.length, true, writable, null);
        if (array.length == 0 || Long.compareUnsigned(mapping.last(), iova) < 0) {
            throw new IllegalArgumentException(mapping + " is empty or wraps around");
        }
        if (arrays.stream().anyMatch(other -> other.mapping.overlaps(iova, array.length))) {
            throw new IllegalStateException(mapping + " overlaps what is mapped already");
        }
        arrays.add(new Mapped(mapping, ByteBuffer.wrap(array)));
    }

    private Mapped find(long iova, int length) {
        return arrays.stream()
                .filter(candidate -> candidate.mapping.covers(iova, length))
                .findFirst()
                .orElseThrow(() -> fault(iova, length, "does not lie inside one mapping"));
    }

    private static VfioException fault(long iova, int length, String why) {
        return new VfioException(Errno.EFAULT, "DMA to 0x" + Long.toHexString(iova) + ", " + length + " bytes, " + why);
    }
}
