package vfio.linux;

import java.nio.ByteBuffer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Copies made by the kernel, for memory whose pages its owner can take away.
 *
 * <p>A load or store of the processor from such a page raises SIGBUS. The JVM turns that into an error, but throws it at some
 * later point: after the access has returned a wrong value and after the thread has left every try block around it (always so
 * on JDK 17, and in compiled code on 25). A copy by the kernel fails at once and without a signal. It costs a system call.
 *
 * <p>Reads are {@code pread}. Writes are {@code process_vm_writev} to our own mapping, as {@code pwrite} would make a file
 * that was truncated longer again instead of failing.
 */
final class KernelAccess implements MemoryAccess {
    private final Descriptor file;
    private final long fileOffset;
    private final long address;
    private final int pid = (int) ProcessHandle.current().pid();
    private final CopyLanes lanes = new CopyLanes();

    /**
     * @param file stays the caller's
     * @param fileOffset of byte 0
     * @param address of byte 0
     * @throws VfioException ENOMEM
     */
    KernelAccess(Descriptor file, long fileOffset, long address) {
        this.file = file;
        this.fileOffset = fileOffset;
        this.address = address;
    }

    /**
     * Finds out whether the kernel lets us write in this way, by writing nothing.
     *
     * @throws VfioException EOPNOTSUPP if not
     */
    static void checkWritable() {
        if (Libc.process_vm_writev((int) ProcessHandle.current().pid(), 0, 0, 0, 0, 0) < 0) {
            throw new VfioException(
                    Errno.EOPNOTSUPP,
                    "the kernel refuses process_vm_writev, which memory that its owner can truncate needs; allow it (seccomp,"
                            + " CONFIG_CROSS_MEMORY_ATTACH) or let the client seal its memory against shrinking");
        }
    }

    @Override
    public byte getByte(long offset) {
        return (byte) load(offset, Byte.BYTES);
    }

    @Override
    public void putByte(long offset, byte value) {
        store(offset, Byte.BYTES, value);
    }

    @Override
    public short getShort(long offset) {
        return (short) load(offset, Short.BYTES);
    }

    @Override
    public void putShort(long offset, short value) {
        store(offset, Short.BYTES, value);
    }

    @Override
    public int getInt(long offset) {
        return (int) load(offset, Integer.BYTES);
    }

    @Override
    public void putInt(long offset, int value) {
        store(offset, Integer.BYTES, value);
    }

    @Override
    public long getLong(long offset) {
        return load(offset, Long.BYTES);
    }

    @Override
    public void putLong(long offset, long value) {
        store(offset, Long.BYTES, value);
    }

    @Override
    public void get(long offset, ByteBuffer destination, int count) {
        int position = destination.position();
        int lane = lanes.claim();
        try {
            int done = 0;
            while (done < count) {
                int length = Math.min(count - done, CopyLanes.DATA_SIZE);
                readFully(lane, fileOffset + offset + done, length);
                destination.put(position + done, lanes.bytes(), lanes.data(lane), length);
                done += length;
            }
        } finally {
            lanes.release(lane);
        }
    }

    @Override
    public void put(long offset, ByteBuffer source, int count) {
        int position = source.position();
        int lane = lanes.claim();
        try {
            int done = 0;
            while (done < count) {
                int length = Math.min(count - done, CopyLanes.DATA_SIZE);
                lanes.bytes().put(lanes.data(lane), source, position + done, length);
                write(lane, address + offset + done, length);
                done += length;
            }
        } finally {
            lanes.release(lane);
        }
    }

    @Override
    public void close() {
        lanes.close();
    }

    /**
     * Loads up to 8 bytes. Where they lie within an aligned word, the whole word is read: kernels copy 8 bytes as one word but
     * may copy fewer byte by byte, and what a peer writes meanwhile would be seen half.
     */
    private long load(long offset, int width) {
        long start = fileOffset + offset;
        int shift = (int) start & (Long.BYTES - 1);
        int lane = lanes.claim();
        try {
            if (shift + width <= Long.BYTES) {
                // At the end of a file that does not consist of whole words there is less.
                if (read(lane, start - shift, Long.BYTES, 0) < shift + width) {
                    throw truncated();
                }
                return lanes.bytes().getLong(lanes.data(lane)) >>> (shift * Byte.SIZE);
            }
            readFully(lane, start, width);
            return lanes.bytes().getLong(lanes.data(lane));
        } finally {
            lanes.release(lane);
        }
    }

    private void store(long offset, int width, long value) {
        int lane = lanes.claim();
        try {
            lanes.bytes().putLong(lanes.data(lane), value);
            write(lane, address + offset, width);
        } finally {
            lanes.release(lane);
        }
    }

    private void readFully(int lane, long position, int length) {
        int done = 0;
        while (done < length) {
            int count = read(lane, position + done, length - done, done);
            if (count == 0) {
                throw truncated();
            }
            done += count;
        }
    }

    private int read(int lane, long position, int length, int done) {
        int fd = file.acquire();
        try {
            while (true) {
                long count = Libc.pread(fd, lanes.dataAddress(lane) + done, length, position);
                if (count >= 0) {
                    return (int) count;
                }
                int errno = Libc.errno();
                if (errno != Linux.EINTR) {
                    throw unreadable(errno);
                }
            }
        } finally {
            file.release();
        }
    }

    private void write(int lane, long to, int length) {
        long local = lanes.prepare(lane, to, length);
        if (Libc.process_vm_writev(pid, local, 1, local + CopyLanes.IOVEC_SIZE, 1, 0) != length) {
            throw truncated();
        }
    }

    private static VfioException truncated() {
        return new VfioException(
                Errno.EFAULT, "shared memory is gone: its owner has truncated the file; no other memory is affected");
    }

    private static VfioException unreadable(int errno) {
        return new VfioException(Errno.EFAULT, Failures.sentence(errno, "reading shared memory"));
    }
}
