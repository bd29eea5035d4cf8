package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * A file that is controlled by {@code ioctl}: a device node, or what the kernel made of one.
 *
 * <p>Structures are built and read by the caller, little-endian, each in a buffer of its size; here descriptors and addresses
 * are put into them, which show nowhere else. Calls return what the kernel returned, at least 0, and throw {@link VfioException}
 * with the error of the kernel and a short sentence; who knows what the call was for says more. EBADF after close. Safe for use
 * by several threads. An interface, so that tests can be the kernel.
 */
public interface ControlFile extends AutoCloseable {
    /**
     * Opens a device node for reading and writing.
     *
     * @return the file, owned by the caller
     * @throws VfioException ENOENT, EACCES, EPERM, EBUSY, ENODEV and whatever else its driver says
     */
    static ControlFile open(Path path) {
        int fd = Libc.open(UnixAddress.string(path), Linux.O_RDWR | Linux.O_CLOEXEC);
        if (fd < 0) {
            int errno = Libc.errno();
            throw new VfioException(Errno.of(errno), Failures.sentence(errno, "opening " + path));
        }
        return new KernelFile(new Descriptor(fd));
    }

    /** A call with a number. */
    int call(int request, long argument);

    /** A call with a structure, which the kernel may change. */
    int call(int request, ByteBuffer structure);

    /** A call with a structure into which the descriptor of another file is put at an index, 4 bytes wide. */
    int call(int request, ByteBuffer structure, int index, ControlFile file);

    /** A call with a structure into which the address of memory is put at an index, 8 bytes wide. */
    int call(int request, ByteBuffer structure, int index, MappedMemory memory);

    /** A call with a structure into which descriptors are put from an index on, 4 bytes each; null is -1. */
    int call(int request, ByteBuffer structure, int index, List<@Nullable EventFd> events);

    /**
     * A call that takes a name and makes another file.
     *
     * @return the file, owned by the caller
     */
    ControlFile open(int request, String name);

    /**
     * A part of the file as memory that peers can map, as far as its driver lets them. Accesses made here are reads and writes
     * of the file, of exactly the width asked for.
     *
     * @return the memory, owned by the caller; it keeps the file open
     */
    MappedMemory memory(long fileOffset, long size, boolean writable);

    /** Idempotent. */
    @Override
    void close();
}
