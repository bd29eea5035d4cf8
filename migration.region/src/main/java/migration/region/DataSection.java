package migration.region;

import java.nio.ByteBuffer;
import java.util.Optional;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.SharedMemory;

/**
 * The data section of a {@link MigrationRegion}: what a client reads and writes there, trapped or mapped. It is a copy of what the
 * region means, never the only one.
 */
final class DataSection {
    private final int offset;

    /** Of the whole region, as clients map it. */
    private final Optional<SharedMemory> memory;

    /** What is shown if there is no memory; what passes on the way to and from it otherwise. */
    private final ByteBuffer bytes;

    /**
     * @param offset where in the region it begins
     * @param size bytes
     * @param memory of the whole region, if it can be mapped
     */
    DataSection(int offset, int size, Optional<SharedMemory> memory) {
        this.offset = offset;
        this.memory = memory;
        bytes = ByteBuffer.allocate(size);
    }

    /** What clients map. */
    Optional<SharedMemory> memory() {
        return memory;
    }

    /** Answers a read. */
    void read(RegionAccess access) {
        ByteBuffer part = part(access);
        memory.ifPresent(mapped -> mapped.get(access.offset(), part.duplicate()));
        access.copyFrom(0, part);
    }

    /** Answers a write. */
    void write(RegionAccess access) {
        ByteBuffer part = part(access);
        access.copyTo(0, part.duplicate());
        memory.ifPresent(mapped -> mapped.put(access.offset(), part));
    }

    /** Lets the client see something, from the beginning of the section on. */
    void show(ByteBuffer content) {
        memory.ifPresentOrElse(
                mapped -> mapped.put(offset, content), () -> bytes.duplicate().put(content));
    }

    /** What is there now, as it may have come from the client: the first bytes of the section. */
    ByteBuffer take(int length) {
        ByteBuffer taken = ByteBuffer.allocate(length);
        memory.ifPresentOrElse(mapped -> mapped.get(offset, taken), () -> taken.put(bytes.slice(0, length)));
        return taken.flip();
    }

    private ByteBuffer part(RegionAccess access) {
        return bytes.slice((int) access.offset() - offset, access.length());
    }
}
