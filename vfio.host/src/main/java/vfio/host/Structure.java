package vfio.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import vfio.linux.ControlFile;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Structures that begin with their size, and the capabilities that may follow them. */
final class Structure {
    /** More than any kernel says of a region or an IOMMU. */
    private static final int LARGEST = 1 << 20;

    private Structure() {}

    /** A zeroed structure that says how large it is. */
    static ByteBuffer of(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN).putInt(Uapi.ARGSZ, size);
    }

    /**
     * Asks for a structure, and again if the kernel says that it has more to tell than there was room for.
     *
     * @param start the structure as it is asked with, without room for more
     * @throws VfioException of the call; EPROTO if the kernel names a size that cannot be
     */
    static ByteBuffer ask(ControlFile file, KernelCall call, String subject, ByteBuffer start) {
        ByteBuffer answer = copy(start, start.capacity());
        call.on(subject, () -> file.call(call.request(), answer));
        int needed = answer.getInt(Uapi.ARGSZ);
        if (needed <= start.capacity()) {
            return answer;
        }
        if (needed > LARGEST) {
            throw senseless(call, subject, "a structure of " + Integer.toUnsignedString(needed) + " bytes");
        }
        ByteBuffer larger = copy(start, needed).putInt(Uapi.ARGSZ, needed);
        call.on(subject, () -> file.call(call.request(), larger));
        return larger;
    }

    /** Like {@link #ask}; empty if the kernel says that there is no such thing. */
    static Optional<ByteBuffer> askFor(ControlFile file, KernelCall call, String subject, ByteBuffer start) {
        try {
            return Optional.of(ask(file, call, subject, start));
        } catch (VfioException e) {
            if (e.errno() == Errno.EINVAL) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /**
     * Where in a structure a capability is; empty if it has none of that kind.
     *
     * @param first where the first one is, 0 for none
     * @param size of what is read of it
     * @throws VfioException EPROTO if the chain leaves the structure or does not end
     */
    static Optional<Integer> capability(ByteBuffer structure, int first, int id, int size) {
        for (Capability capability : capabilities(structure, first)) {
            if (capability.id() == id) {
                if (capability.offset() > structure.capacity() - size) {
                    throw new VfioException(Errno.EPROTO, "capability " + id + " of the kernel leaves its structure");
                }
                return Optional.of(capability.offset());
            }
        }
        return Optional.empty();
    }

    /**
     * Where an array that belongs to a capability ends.
     *
     * @throws VfioException EPROTO if that is outside the structure
     */
    static int end(ByteBuffer structure, int start, int count, int size) {
        if (count < 0 || count > (structure.capacity() - start) / size) {
            throw new VfioException(
                    Errno.EPROTO,
                    "a list of " + Integer.toUnsignedString(count) + " entries leaves the structure of the kernel");
        }
        return start + count * size;
    }

    private record Capability(int id, int offset) {}

    private static List<Capability> capabilities(ByteBuffer structure, int first) {
        List<Capability> capabilities = new ArrayList<>();
        int offset = first;
        while (offset != 0) {
            if (offset < 0
                    || offset > structure.capacity() - Uapi.CAP_HEADER_SIZE
                    || capabilities.size() > structure.capacity() / Uapi.CAP_HEADER_SIZE) {
                throw new VfioException(
                        Errno.EPROTO, "a chain of capabilities of the kernel leaves its structure, or does not end");
            }
            capabilities.add(new Capability(structure.getShort(offset + Uapi.CAP_ID) & 0xffff, offset));
            offset = structure.getInt(offset + Uapi.CAP_NEXT);
        }
        return capabilities;
    }

    private static ByteBuffer copy(ByteBuffer source, int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN).put(0, source, 0, source.capacity());
    }

    private static VfioException senseless(KernelCall call, String subject, String what) {
        return new VfioException(Errno.EPROTO, call.what() + " of " + subject + " returned " + what);
    }
}
