package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;

/**
 * A part of a file, mapped shared.
 *
 * <p>The owner of the file may be hostile. If the file is sealed against shrinking ({@code F_SEAL_SHRINK}), accesses are
 * plain loads and stores. If it is not, its pages can vanish at any time; then accesses are copies by the kernel, which cost
 * a system call each, and an access to a page that has vanished fails with EFAULT, at once and only for the caller. Such a
 * copy is a single load or store only as far as the kernel copies aligned words at once: stores of fewer than 8 bytes may be
 * seen half by a peer that reads at the same moment.
 *
 * <p>Any number of threads may access the memory. Close unmaps, so the caller sees to it that no access is in progress then;
 * accesses that begin later fail with EFAULT.
 */
public final class MappedMemory implements SharedMemory {
    /** The longest name that {@code memfd_create} takes. */
    private static final int NAME_MAX = 249;

    private static final int PAGE_SIZE = 4096;

    private final Descriptor file;
    private final long fileOffset;
    private final long size;
    private final boolean writable;
    private final boolean sealed;
    private final Mapping mapping;
    private final MemoryAccess access;
    private final AtomicBoolean closed = new AtomicBoolean();

    private MappedMemory(Descriptor file, MappableFile properties, Mapping mapping, MemoryAccess access) {
        this.file = file;
        this.fileOffset = properties.offset();
        this.size = properties.size();
        this.writable = properties.writable();
        this.sealed = properties.sealed();
        this.mapping = mapping;
        this.access = access;
    }

    /**
     * A part of a device file. It is for peers to map; here it is read and written through the file, since a load from a device
     * that is gone, or does not decode its addresses, ends the process.
     */
    static MappedMemory ofDevice(Descriptor file, long fileOffset, long size, boolean writable, CopyLanes lanes) {
        return new MappedMemory(
                file,
                new MappableFile(fileOffset, size, writable, false, false, PAGE_SIZE),
                Mapping.NONE,
                new DeviceAccess(file, fileOffset, lanes));
    }

    /**
     * Maps a part of a file.
     *
     * @param file a regular file: memfd, tmpfs, hugetlbfs or on disk; owned by the result, by the caller still if this throws
     * @param fileOffset of byte 0 in the file; need not be page-aligned
     * @param size bytes, at least 1; need not be whole pages
     * @param writable whether the memory may be written
     * @return the memory, owned by the caller
     * @throws VfioException EINVAL if the file is of another kind or does not have those bytes; EACCES or EPERM if it was
     *     not opened for that or is sealed against it; ENOMEM; EOPNOTSUPP if the file is not sealed and the kernel does not
     *     provide {@code process_vm_writev}
     */
    public static MappedMemory map(Descriptor file, long fileOffset, long size, boolean writable) {
        int fd = file.acquire();
        try {
            return map(file, fd, MappableFile.of(fd, fileOffset, size, writable));
        } finally {
            file.release();
        }
    }

    /**
     * Maps a part of what a server offers for a device's region, which may be the device itself. The server is trusted: a load
     * from a device that is gone, or does not decode its addresses, fails at some later point or ends the process.
     *
     * @param file as in {@link #map}, or a device
     * @return the memory, owned by the caller
     * @throws VfioException as {@link #map}
     */
    public static MappedMemory mapRegion(Descriptor file, long fileOffset, long size, boolean writable) {
        int fd = file.acquire();
        try {
            return map(
                    file,
                    fd,
                    FileStatus.of(fd).isRegular()
                            ? MappableFile.of(fd, fileOffset, size, writable)
                            : MappableFile.ofDevice(fileOffset, size, writable));
        } finally {
            file.release();
        }
    }

    /**
     * Allocates zeroed memory that can be handed to a peer. It is sealed against any change of its size.
     *
     * @param name shown by the kernel, for example in {@code /proc/PID/maps}; at most 249 bytes
     * @param size bytes, a positive multiple of 4096
     * @return the memory, owned by the caller
     * @throws VfioException EINVAL if an argument is out of range; ENOMEM or EMFILE if the system has no more
     */
    public static MappedMemory allocate(String name, long size) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > NAME_MAX || name.indexOf('\0') >= 0) {
            throw new VfioException(Errno.EINVAL, "a name of shared memory has at most 249 bytes and no zero: " + name);
        }
        if (size < 1 || size % PAGE_SIZE != 0) {
            throw new VfioException(Errno.EINVAL, "shared memory of " + size + " bytes; use a multiple of 4096");
        }
        int fd = Libc.memfd_create(Arrays.copyOf(bytes, bytes.length + 1), Linux.MFD_CLOEXEC | Linux.MFD_ALLOW_SEALING);
        if (fd < 0) {
            throw Failures.last("creating shared memory " + name);
        }
        Descriptor file = new Descriptor(fd);
        try {
            if (Libc.ftruncate(fd, size) < 0) {
                throw Failures.last("giving shared memory " + name + " a size of " + size + " bytes");
            }
            if (Libc.fcntl(fd, Linux.F_ADD_SEALS, Linux.F_SEAL_SHRINK | Linux.F_SEAL_GROW | Linux.F_SEAL_SEAL) < 0) {
                throw Failures.last("sealing shared memory " + name);
            }
            return map(file, 0, size, true);
        } catch (VfioException failure) {
            file.close();
            throw failure;
        }
    }

    @Override
    public long size() {
        return size;
    }

    /** Whether the memory may be written. */
    public boolean writable() {
        return writable;
    }

    /** Whether the file is sealed against shrinking ({@code F_SEAL_SHRINK}). */
    public boolean sealed() {
        return sealed;
    }

    /** The file, for handing it to a peer; stays owned by this object. */
    public Descriptor descriptor() {
        return file;
    }

    /** Whether system calls can use the memory where it is; that of a device they cannot. */
    public boolean isAddressable() {
        return mapping.length() != 0;
    }

    /**
     * Where byte 0 is in this process, for a system call that makes pages known to a device.
     *
     * @throws VfioException EFAULT after close, EINVAL if it is a device's own memory
     */
    long address() {
        return readAddress(0, Byte.BYTES);
    }

    /** Where bytes are that a system call reads; as {@link #address()}, EFAULT also for what is outside. */
    long readAddress(long offset, int length) {
        checkRead(offset, length);
        if (!isAddressable()) {
            throw new VfioException(
                    Errno.EINVAL, "memory of a device is not mapped here, and cannot be used by address");
        }
        return mapping.data() + offset;
    }

    /** Where bytes are that a system call writes; as {@link #readAddress}, EACCES if the memory may not be written. */
    long writeAddress(long offset, int length) {
        checkWrite(offset, length);
        return readAddress(offset, length);
    }

    /** Where byte 0 is in the file. */
    public long fileOffset() {
        return fileOffset;
    }

    @Override
    public byte getByte(long offset) {
        checkRead(offset, Byte.BYTES);
        return access.getByte(offset);
    }

    @Override
    public void putByte(long offset, byte value) {
        checkWrite(offset, Byte.BYTES);
        access.putByte(offset, value);
    }

    @Override
    public int getShort(long offset) {
        checkRead(offset, Short.BYTES);
        return access.getShort(offset) & 0xffff;
    }

    @Override
    public void putShort(long offset, int value) {
        checkWrite(offset, Short.BYTES);
        access.putShort(offset, (short) value);
    }

    @Override
    public int getInt(long offset) {
        checkRead(offset, Integer.BYTES);
        return access.getInt(offset);
    }

    @Override
    public void putInt(long offset, int value) {
        checkWrite(offset, Integer.BYTES);
        access.putInt(offset, value);
    }

    @Override
    public long getLong(long offset) {
        checkRead(offset, Long.BYTES);
        return access.getLong(offset);
    }

    @Override
    public void putLong(long offset, long value) {
        checkWrite(offset, Long.BYTES);
        access.putLong(offset, value);
    }

    @Override
    public void get(long offset, ByteBuffer destination) {
        int count = destination.remaining();
        checkRead(offset, count);
        access.get(offset, destination, count);
        destination.position(destination.limit());
    }

    @Override
    public void put(long offset, ByteBuffer source) {
        int count = source.remaining();
        checkWrite(offset, count);
        access.put(offset, source, count);
        source.position(source.limit());
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            access.close();
            mapping.close();
            file.close();
        }
    }

    @Override
    public String toString() {
        return "shared memory of " + size + " bytes";
    }

    private static MappedMemory map(Descriptor file, int fd, MappableFile properties) {
        Mapping mapping = Mapping.of(fd, properties);
        try {
            return new MappedMemory(file, properties, mapping, access(file, properties, mapping));
        } catch (VfioException failure) {
            mapping.close();
            throw failure;
        }
    }

    private static MemoryAccess access(Descriptor file, MappableFile properties, Mapping mapping) {
        if (properties.stable()) {
            return new DirectAccess(mapping.data(), properties.size());
        }
        if (properties.writable()) {
            KernelAccess.checkWritable();
        }
        return new KernelAccess(file, properties.offset(), mapping.data());
    }

    private void checkRead(long offset, int width) {
        if (closed.get()) {
            throw new VfioException(Errno.EFAULT, "shared memory was used after it was closed");
        }
        if (offset < 0 || offset > size - width) {
            throw new VfioException(
                    Errno.EFAULT,
                    width + " bytes at offset 0x" + Long.toHexString(offset) + " are outside shared memory of " + size
                            + " bytes");
        }
    }

    private void checkWrite(long offset, int width) {
        checkRead(offset, width);
        if (!writable) {
            throw new VfioException(Errno.EACCES, "shared memory that is mapped read-only was written");
        }
    }
}
