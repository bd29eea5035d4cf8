package vfio.linux;

import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * A fixed number of bytes outside the Java heap, page-aligned and zeroed, whose address system calls can use without
 * allocation. The kernel provides pages when they are first touched.
 *
 * <p>The owner sees to it that nobody uses the bytes after close: a {@link ByteBuffer} kept beyond it points to memory that
 * is gone, and using it ends the process. Not synchronised: contents are plain memory.
 */
public final class NativeBuffer implements AutoCloseable {
    private final long address;
    private final int capacity;
    private final ByteBuffer bytes;
    private final AtomicBoolean closed = new AtomicBoolean();

    private NativeBuffer(long address, int capacity) {
        this.address = address;
        this.capacity = capacity;
        this.bytes = new Pointer(address).getByteBuffer(0, capacity).order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Allocates a buffer.
     *
     * @param capacity bytes, at least 1
     * @return the buffer, owned by the caller
     * @throws VfioException ENOMEM
     */
    public static NativeBuffer allocate(int capacity) {
        if (capacity < 1) {
            throw new IllegalArgumentException("a buffer of " + capacity + " bytes");
        }
        long address = Libc.mmap(
                0,
                capacity,
                Linux.PROT_READ | Linux.PROT_WRITE,
                Linux.MAP_PRIVATE | Linux.MAP_ANONYMOUS | Linux.MAP_NORESERVE,
                -1,
                0);
        if (address == -1) {
            throw Failures.last("allocating a buffer of " + capacity + " bytes");
        }
        return new NativeBuffer(address, capacity);
    }

    /** Bytes. */
    public int capacity() {
        return capacity;
    }

    /**
     * The bytes: direct, little-endian, always the same object. Use its absolute methods; position and limit are shared by
     * all who ask.
     *
     * @throws VfioException EFAULT after close
     */
    public ByteBuffer bytes() {
        checkOpen();
        return bytes;
    }

    /** Unmaps the memory. Idempotent. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.munmap(address, capacity);
        }
    }

    /** The address of the first byte. */
    long address() {
        checkOpen();
        return address;
    }

    /** The address of a byte that is followed by {@code length} bytes. */
    long address(int index, int length) {
        checkOpen();
        Objects.checkFromIndexSize(index, length, capacity);
        return address + index;
    }

    private void checkOpen() {
        if (closed.get()) {
            throw new VfioException(Errno.EFAULT, "a native buffer was used after it was closed");
        }
    }
}
