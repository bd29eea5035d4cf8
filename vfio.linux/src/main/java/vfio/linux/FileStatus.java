package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What {@code statx} tells of a file; its layout is the same on all architectures, that of {@code stat} is not.
 *
 * @param mode type and permissions
 * @param size bytes
 * @param blockSize preferred block size; the page size of a file in hugetlbfs
 * @param inode inode number
 * @param device device number
 */
record FileStatus(int mode, long size, int blockSize, long inode, long device) {
    private static final int STATX_SIZE = 256;
    private static final int STX_BLKSIZE = 4;
    private static final int STX_MODE = 28;
    private static final int STX_INO = 32;
    private static final int STX_SIZE = 40;
    private static final int STX_DEV_MAJOR = 136;
    private static final int STX_DEV_MINOR = 140;
    private static final byte[] EMPTY_PATH = {0};

    /** The file behind a descriptor. */
    static FileStatus of(int fd) {
        FileStatus status = read(fd, EMPTY_PATH, Linux.AT_EMPTY_PATH);
        if (status == null) {
            throw Failures.last("asking for the status of a file");
        }
        return status;
    }

    /** The file at a path, itself a symbolic link if it is one; null if there is none or it is out of reach. */
    static @Nullable FileStatus of(Path path) {
        return read(Linux.AT_FDCWD, UnixAddress.string(path), Linux.AT_SYMLINK_NOFOLLOW);
    }

    boolean isRegular() {
        return (mode & Linux.S_IFMT) == Linux.S_IFREG;
    }

    boolean isSocket() {
        return (mode & Linux.S_IFMT) == Linux.S_IFSOCK;
    }

    boolean isSameFile(FileStatus other) {
        return inode == other.inode && device == other.device;
    }

    private static @Nullable FileStatus read(int directory, byte[] path, int flags) {
        byte[] result = new byte[STATX_SIZE];
        if (Libc.statx(directory, path, flags, Linux.STATX_BASIC_STATS, result) < 0) {
            return null;
        }
        ByteBuffer bytes = ByteBuffer.wrap(result).order(ByteOrder.LITTLE_ENDIAN);
        return new FileStatus(
                bytes.getShort(STX_MODE) & 0xffff,
                bytes.getLong(STX_SIZE),
                bytes.getInt(STX_BLKSIZE),
                bytes.getLong(STX_INO),
                ((long) bytes.getInt(STX_DEV_MAJOR) << 32) | (bytes.getInt(STX_DEV_MINOR) & 0xffff_ffffL));
    }
}
