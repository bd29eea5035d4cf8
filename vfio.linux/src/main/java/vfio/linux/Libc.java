package vfio.linux;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/**
 * The functions of the C library that this bundle uses, bound directly.
 *
 * <p>Hot calls take raw addresses in a {@code long}; the others take arrays, which JNA copies in and out. A result of -1
 * means that {@link #errno()} of the calling thread tells why, until its next call in here.
 */
final class Libc {
    static {
        Native.register(Libc.class, NativeLibrary.getProcess());
    }

    private Libc() {}

    static int errno() {
        return Native.getLastError();
    }

    static native int close(int fd);

    static native int open(byte[] path, int flags);

    static native int ioctl(int fd, long request, byte[] argument);

    static native int ioctl(int fd, long request, long argument);

    static native long read(int fd, long address, long length);

    static native long write(int fd, long address, long length);

    static native int fcntl(int fd, int command, long argument);

    static native int socket(int domain, int type, int protocol);

    static native int socketpair(int domain, int type, int protocol, int[] fds);

    static native int bind(int fd, byte[] address, int length);

    static native int connect(int fd, byte[] address, int length);

    static native int listen(int fd, int backlog);

    static native int accept4(int fd, long address, long length, int flags);

    static native int shutdown(int fd, int how);

    static native int getsockopt(int fd, int level, int name, int[] value, int[] length);

    static native int setsockopt(int fd, int level, int name, long[] value, int length);

    static native long recvmsg(int fd, long message, int flags);

    static native long sendmsg(int fd, long message, int flags);

    static native int poll(long[] fds, long count, int milliseconds);

    static native int eventfd(int value, int flags);

    static native int eventfd_write(int fd, long value);

    static native int eventfd_read(int fd, long[] value);

    static native int memfd_create(byte[] name, int flags);

    static native int ftruncate(int fd, long size);

    static native int fchmod(int fd, int mode);

    static native int chmod(byte[] path, int mode);

    static native int lchown(byte[] path, int uid, int gid);

    static native int unlink(byte[] path);

    static native int statx(int directory, byte[] path, int flags, int mask, byte[] result);

    static native int fstatfs(int fd, byte[] result);

    static native long mmap(long address, long length, int protection, int flags, int fd, long offset);

    static native int munmap(long address, long length);

    static native int getpagesize();

    static native long pread(int fd, long address, long length, long offset);

    static native long pwrite(int fd, long address, long length, long offset);

    static native long process_vm_writev(
            int pid, long local, long localCount, long remote, long remoteCount, long flags);
}
