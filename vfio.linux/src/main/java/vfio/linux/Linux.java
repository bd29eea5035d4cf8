package vfio.linux;

/** Numbers of the kernel's interface, named as in its headers. All are the same on x86-64 and arm64. */
final class Linux {
    static final int EPERM = 1;
    static final int ENOENT = 2;
    static final int EINTR = 4;
    static final int EIO = 5;
    static final int ENXIO = 6;
    static final int EAGAIN = 11;
    static final int ENOMEM = 12;
    static final int EACCES = 13;
    static final int EBUSY = 16;
    static final int ENODEV = 19;
    static final int EINVAL = 22;
    static final int ENFILE = 23;
    static final int EFBIG = 27;
    static final int EROFS = 30;
    static final int EBADFD = 77;
    static final int EADDRINUSE = 98;
    static final int ECONNABORTED = 103;
    static final int ENOBUFS = 105;
    static final int ECONNREFUSED = 111;
    static final int EINPROGRESS = 115;

    static final int AF_UNIX = 1;
    static final int AF_NETLINK = 16;
    static final int NETLINK_KOBJECT_UEVENT = 15;
    static final int SOCK_STREAM = 1;
    static final int SOCK_DGRAM = 2;
    static final int SOCK_NONBLOCK = 0x800;
    static final int SOCK_CLOEXEC = 0x80000;
    static final int SHUT_RDWR = 2;
    static final int SOL_SOCKET = 1;
    static final int SO_PEERCRED = 17;
    static final int SO_RCVTIMEO = 20;
    static final int SCM_RIGHTS = 1;
    /** {@code SCM_MAX_FD} of the kernel: descriptors in one message. */
    static final int SCM_MAX_FD = 253;

    static final int MSG_CTRUNC = 8;
    static final int MSG_DONTWAIT = 0x40;
    static final int MSG_NOSIGNAL = 0x4000;
    static final int MSG_CMSG_CLOEXEC = 0x4000_0000;

    static final short POLLIN = 1;
    static final short POLLOUT = 4;
    static final short POLLRDHUP = 0x2000;

    static final int EFD_NONBLOCK = 0x800;
    static final int EFD_CLOEXEC = 0x80000;

    static final int O_RDWR = 2;
    static final int O_NONBLOCK = 0x800;
    static final int O_CLOEXEC = 0x80000;
    static final int F_GETFL = 3;
    static final int F_SETFL = 4;
    static final int F_DUPFD_CLOEXEC = 1030;
    static final int F_ADD_SEALS = 1033;
    static final int F_GET_SEALS = 1034;
    static final int F_SEAL_SEAL = 1;
    static final int F_SEAL_SHRINK = 2;
    static final int F_SEAL_GROW = 4;

    static final long TUNSETIFF = 0x400454caL;
    static final int IFF_TAP = 2;
    static final int IFF_NO_PI = 0x1000;
    /** {@code sizeof(struct ifreq)}. */
    static final int IFREQ_SIZE = 40;

    static final int MFD_CLOEXEC = 1;
    static final int MFD_ALLOW_SEALING = 2;

    static final int PROT_READ = 1;
    static final int PROT_WRITE = 2;
    static final int MAP_SHARED = 1;
    static final int MAP_PRIVATE = 2;
    static final int MAP_ANONYMOUS = 0x20;
    static final int MAP_NORESERVE = 0x4000;

    static final int AT_FDCWD = -100;
    static final int AT_SYMLINK_NOFOLLOW = 0x100;
    static final int AT_EMPTY_PATH = 0x1000;
    static final int STATX_BASIC_STATS = 0x7ff;
    static final int S_IFMT = 0xf000;
    static final int S_IFREG = 0x8000;
    static final int S_IFSOCK = 0xc000;
    static final long HUGETLBFS_MAGIC = 0x958458f6L;
    static final long FUSE_SUPER_MAGIC = 0x65735546L;
    static final long NFS_SUPER_MAGIC = 0x6969L;

    private Linux() {}
}
