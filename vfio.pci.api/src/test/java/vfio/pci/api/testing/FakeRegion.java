package vfio.pci.api.testing;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.pci.PciRegion;

/**
 * A region of a {@link FakeDevice}: memory, and a record of what was written to it.
 *
 * <p>The methods of {@link vfio.pci.api.device.Memory} preset registers and look at them, and are what a client does
 * through a mapping; none of that is recorded. Recorded are accesses that reach the device through the core or were made by
 * a mediation.
 */
public final class FakeRegion extends FakeMemory {
    private final RegionInfo info;
    private final List<Write> writes = new ArrayList<>();
    private long reads;
    private Consumer<Write> effect = write -> {};

    /**
     * A write that has reached the device.
     *
     * @param offset in the region
     * @param length in bytes
     * @param value what was written as a number, little-endian, zero-extended; the first 8 bytes of a longer write
     */
    public record Write(long offset, int length, long value) {}

    FakeRegion(RegionInfo info) {
        super(PciRegion.name(info.index()), info.size());
        this.info = info;
    }

    /** The region as the device describes it. */
    public RegionInfo info() {
        return info;
    }

    /** Number of reads that have reached the device. */
    public synchronized long reads() {
        return reads;
    }

    /** The writes that have reached the device, in order. */
    public synchronized List<Write> writes() {
        return List.copyOf(writes);
    }

    /** Forgets the reads and writes so far. */
    public synchronized void forgetAccesses() {
        reads = 0;
        writes.clear();
    }

    /**
     * What the hardware does when it is written to, beyond storing it. Called after it has been stored and recorded, on the
     * thread of the write; replaces what was given before.
     *
     * @return this
     */
    public synchronized FakeRegion onWrite(Consumer<Write> newEffect) {
        effect = newEffect;
        return this;
    }

    void read(RegionAccess access) {
        ByteBuffer data = ByteBuffer.allocate(access.length());
        synchronized (this) {
            get(access.offset(), data);
            reads++;
        }
        access.copyFrom(0, data.flip());
    }

    void write(RegionAccess access) {
        ByteBuffer data = ByteBuffer.allocate(Math.max(access.length(), Long.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN)
                .limit(access.length());
        access.copyTo(0, data);
        Write write;
        Consumer<Write> follows;
        synchronized (this) {
            put(access.offset(), data.flip());
            write = new Write(
                    access.offset(),
                    access.length(),
                    data.limit(data.capacity()).getLong(0));
            writes.add(write);
            follows = effect;
        }
        follows.accept(write);
    }
}
