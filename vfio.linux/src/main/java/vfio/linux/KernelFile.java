package vfio.linux;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** A control file of this kernel. */
final class KernelFile implements ControlFile {
    private static final int NO_DESCRIPTOR = -1;

    private final Descriptor descriptor;

    /** @param descriptor owned by this object */
    KernelFile(Descriptor descriptor) {
        this.descriptor = descriptor;
    }

    @Override
    public int call(int request, long argument) {
        return call(fd -> Libc.ioctl(fd, request, argument));
    }

    @Override
    public int call(int request, ByteBuffer structure) {
        byte[] bytes = new byte[structure.capacity()];
        structure.get(0, bytes);
        int result = call(fd -> Libc.ioctl(fd, request, bytes));
        structure.put(0, bytes);
        return result;
    }

    @Override
    public int call(int request, ByteBuffer structure, int index, ControlFile file) {
        Descriptor other = ((KernelFile) file).descriptor;
        structure.putInt(index, other.acquire());
        try {
            return call(request, structure);
        } finally {
            other.release();
        }
    }

    @Override
    public int call(int request, ByteBuffer structure, int index, MappedMemory memory) {
        structure.putLong(index, memory.address());
        return call(request, structure);
    }

    @Override
    public int call(int request, ByteBuffer structure, int index, List<@Nullable EventFd> events) {
        List<Descriptor> acquired = new ArrayList<>();
        try {
            int at = index;
            for (EventFd event : events) {
                int number = NO_DESCRIPTOR;
                if (event != null) {
                    number = event.descriptor().acquire();
                    acquired.add(event.descriptor());
                }
                structure.putInt(at, number);
                at += Integer.BYTES;
            }
            return call(request, structure);
        } finally {
            acquired.forEach(Descriptor::release);
        }
    }

    @Override
    public ControlFile open(int request, String name) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        return new KernelFile(new Descriptor(call(request, ByteBuffer.wrap(Arrays.copyOf(bytes, bytes.length + 1)))));
    }

    @Override
    public MappedMemory memory(long fileOffset, long size, boolean writable) {
        CopyLanes lanes = new CopyLanes();
        boolean complete = false;
        try {
            Descriptor file = new Descriptor(descriptor.duplicateNumber(), lanes.memory());
            complete = true;
            return MappedMemory.ofDevice(file, fileOffset, size, writable, lanes);
        } finally {
            if (!complete) {
                lanes.close();
            }
        }
    }

    @Override
    public void close() {
        descriptor.close();
    }

    private interface Call {
        int on(int fd);
    }

    private int call(Call call) {
        int fd = descriptor.acquire();
        try {
            int result = call.on(fd);
            if (result < 0) {
                int errno = Libc.errno();
                throw new VfioException(Errno.of(errno), Failures.sentence(errno, "a call of a device file"));
            }
            return result;
        } finally {
            descriptor.release();
        }
    }
}
