package vfio.sim.xl710;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The memory of the guest that has a function, for the engine. What it writes can be written down, page by page, so that
 * whoever derives dirty pages from what a driver does has something to compare with.
 *
 * <p>Attached and detached by the engine's thread; so is everything else.
 */
final class GuestAccess {
    private @Nullable DmaSpace space;
    private @Nullable WrittenPages log;

    void attach(DmaSpace memory) {
        space = memory;
    }

    void detach() {
        space = null;
    }

    /** Writes down from now on what is written; null to stop. */
    void log(@Nullable WrittenPages pages) {
        log = pages;
    }

    boolean isAttached() {
        return space != null;
    }

    long readLong(long iova) {
        return space().readLong(iova);
    }

    void read(long iova, ByteBuffer destination) {
        space().read(iova, destination);
    }

    void writeLong(long iova, long value) {
        space().writeLong(iova, value);
        note(iova, Long.BYTES);
    }

    void write(long iova, ByteBuffer source) {
        int length = source.remaining();
        space().write(iova, source);
        note(iova, length);
    }

    private void note(long iova, int length) {
        WrittenPages pages = log;
        if (pages != null) {
            pages.add(iova, length);
        }
    }

    private DmaSpace space() {
        DmaSpace attached = space;
        if (attached == null) {
            throw new VfioException(Errno.ENODEV, "nobody has the function open, so there is no memory to reach");
        }
        return attached;
    }
}
