package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.IntToLongFunction;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * A part of a file that was found fit for mapping.
 *
 * @param offset of the part in the file
 * @param size bytes
 * @param writable whether it is to be written
 * @param sealed whether the file carries {@code F_SEAL_SHRINK}
 * @param stable whether every page of the part stays accessible for good
 * @param pageSize what a mapping consists of, a power of 2
 */
record MappableFile(long offset, long size, boolean writable, boolean sealed, boolean stable, int pageSize) {
    /** {@code sizeof(struct statfs)}, whose first member is {@code f_type}, 8 bytes wide. */
    private static final int STATFS_SIZE = 120;

    /** A part of a device, which tells nothing of itself. */
    static MappableFile ofDevice(long offset, long size, boolean writable) {
        return new MappableFile(offset, size, writable, false, true, Libc.getpagesize());
    }

    /** Examines a file. */
    static MappableFile of(int fd, long offset, long size, boolean writable) {
        return of(fd, offset, size, writable, MappableFile::fileSystem);
    }

    /** @param fileSystems tells the {@code f_type} of a descriptor's file system */
    static MappableFile of(int fd, long offset, long size, boolean writable, IntToLongFunction fileSystems) {
        if (offset < 0 || size < 1 || offset > Long.MAX_VALUE - size) {
            throw new VfioException(
                    Errno.EINVAL,
                    "cannot map " + size + " bytes at offset 0x" + Long.toHexString(offset)
                            + " of a file: no such range");
        }
        // A seal cannot be taken away, so a size that is read after the seal is there to stay.
        boolean sealed = isSealed(fd);
        FileStatus status = FileStatus.of(fd);
        if (!status.isRegular()) {
            throw new VfioException(
                    Errno.EINVAL, "cannot map a descriptor that is not of a file; let the peer send a memfd or a file");
        }
        if (offset + size > status.size()) {
            throw new VfioException(
                    Errno.EINVAL,
                    "cannot map " + size + " bytes at offset 0x" + Long.toHexString(offset) + " of a file that has "
                            + status.size());
        }
        long fileSystem = fileSystems.applyAsLong(fd);
        if (fileSystem == Linux.FUSE_SUPER_MAGIC || fileSystem == Linux.NFS_SUPER_MAGIC) {
            throw new VfioException(
                    Errno.EINVAL,
                    "cannot map a file whose pages another process or host provides, as it may never do so; let the peer"
                            + " send a memfd or a local file");
        }
        // In hugetlbfs a hole can be punched into a sealed file, and there may be no huge page left to fill it again.
        boolean huge = fileSystem == Linux.HUGETLBFS_MAGIC;
        return new MappableFile(
                offset, size, writable, sealed, sealed && !huge, huge ? status.blockSize() : Libc.getpagesize());
    }

    private static boolean isSealed(int fd) {
        int seals = Libc.fcntl(fd, Linux.F_GET_SEALS, 0);
        return seals >= 0 && (seals & Linux.F_SEAL_SHRINK) != 0;
    }

    private static long fileSystem(int fd) {
        byte[] result = new byte[STATFS_SIZE];
        if (Libc.fstatfs(fd, result) < 0) {
            throw Failures.last("asking for the file system of a file");
        }
        return ByteBuffer.wrap(result).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }
}
