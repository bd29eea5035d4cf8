package vfio.linux;

import java.nio.ByteBuffer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Accesses to a part of a device file by {@code pread} and {@code pwrite}: exactly as wide as they are asked for, since reading
 * a register may have an effect. What the device or the kernel refuses fails for the caller alone.
 */
final class DeviceAccess implements MemoryAccess {
    private final Descriptor file;
    private final long fileOffset;
    private final CopyLanes lanes;

    /**
     * @param file stays the caller's
     * @param fileOffset of byte 0
     * @param lanes for the copies; they stay until the last thread has left the file
     */
    DeviceAccess(Descriptor file, long fileOffset, CopyLanes lanes) {
        this.file = file;
        this.fileOffset = fileOffset;
        this.lanes = lanes;
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
        int fd = file.acquire();
        int lane = lanes.claim();
        try {
            for (int done = 0; done < count; ) {
                int length = Math.min(count - done, CopyLanes.DATA_SIZE);
                read(fd, lane, offset + done, length);
                destination.put(position + done, lanes.bytes(), lanes.data(lane), length);
                done += length;
            }
        } finally {
            lanes.release(lane);
            file.release();
        }
    }

    @Override
    public void put(long offset, ByteBuffer source, int count) {
        int position = source.position();
        int fd = file.acquire();
        int lane = lanes.claim();
        try {
            for (int done = 0; done < count; ) {
                int length = Math.min(count - done, CopyLanes.DATA_SIZE);
                lanes.bytes().put(lanes.data(lane), source, position + done, length);
                write(fd, lane, offset + done, length);
                done += length;
            }
        } finally {
            lanes.release(lane);
            file.release();
        }
    }

    @Override
    public void close() {
        // Freed with the file.
    }

    private long load(long offset, int width) {
        int fd = file.acquire();
        int lane = lanes.claim();
        try {
            read(fd, lane, offset, width);
            return lanes.bytes().getLong(lanes.data(lane));
        } finally {
            lanes.release(lane);
            file.release();
        }
    }

    private void store(long offset, int width, long value) {
        int fd = file.acquire();
        int lane = lanes.claim();
        try {
            lanes.bytes().putLong(lanes.data(lane), value);
            write(fd, lane, offset, width);
        } finally {
            lanes.release(lane);
            file.release();
        }
    }

    private void read(int fd, int lane, long offset, int length) {
        int done = 0;
        while (done < length) {
            long count = Libc.pread(fd, lanes.dataAddress(lane) + done, length - done, fileOffset + offset + done);
            done += progress(count, "reading ", offset, length);
        }
    }

    private void write(int fd, int lane, long offset, int length) {
        int done = 0;
        while (done < length) {
            long count = Libc.pwrite(fd, lanes.dataAddress(lane) + done, length - done, fileOffset + offset + done);
            done += progress(count, "writing ", offset, length);
        }
    }

    private static int progress(long count, String what, long offset, int length) {
        if (count > 0) {
            return (int) count;
        }
        int errno = count == 0 ? Linux.EIO : Libc.errno();
        if (errno == Linux.EINTR) {
            return 0;
        }
        throw new VfioException(
                Errno.of(errno),
                Failures.sentence(
                        errno, what + length + " bytes at offset 0x" + Long.toHexString(offset) + " of a device"));
    }
}
