package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/** Files as a peer would make them, and what a hostile peer would do to them. */
final class TestFiles {
    private static final int KEEP_SIZE_AND_PUNCH_HOLE = 3;

    static {
        Native.register(TestFiles.class, NativeLibrary.getProcess());
    }

    private TestFiles() {}

    private static native int fallocate(int fd, int mode, long offset, long length);

    private static native int setrlimit(int resource, long[] limit);

    private static native int getrlimit(int resource, long[] limit);

    /** An unsealed memfd. */
    static Descriptor unsealed(long size) {
        int fd = Libc.memfd_create(new byte[] {'t', 'e', 's', 't', 0}, Linux.MFD_CLOEXEC | Linux.MFD_ALLOW_SEALING);
        Descriptor file = new Descriptor(fd);
        assertThat(truncate(file, size)).isZero();
        return file;
    }

    static int truncate(Descriptor file, long size) {
        int fd = file.acquire();
        try {
            return Libc.ftruncate(fd, size);
        } finally {
            file.release();
        }
    }

    static int seal(Descriptor file, int seals) {
        int fd = file.acquire();
        try {
            return Libc.fcntl(fd, Linux.F_ADD_SEALS, seals);
        } finally {
            file.release();
        }
    }

    static int punchHole(Descriptor file, long offset, long length) {
        int fd = file.acquire();
        try {
            return fallocate(fd, KEEP_SIZE_AND_PUNCH_HOLE, offset, length);
        } finally {
            file.release();
        }
    }

    /** Lowers the soft limit of open files of this process. */
    static void limitOpenFiles(long count) {
        int resource = 7;
        long[] limit = new long[2];
        assertThat(getrlimit(resource, limit)).isZero();
        limit[0] = count;
        assertThat(setrlimit(resource, limit)).isZero();
    }
}
