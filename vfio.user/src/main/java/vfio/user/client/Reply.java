package vfio.user.client;

import java.nio.ByteBuffer;
import java.util.List;
import vfio.linux.Descriptor;

/**
 * A reply as it came; see {@link VfioUserClient#request}.
 *
 * @param error whether the error flag is set
 * @param errno the error number, 0 if there is none
 * @param data what follows the header, little-endian
 * @param descriptors what came along; owned by this object, closed with it
 */
public record Reply(boolean error, int errno, ByteBuffer data, List<Descriptor> descriptors) implements AutoCloseable {
    /** Copies the list. */
    public Reply {
        descriptors = List.copyOf(descriptors);
    }

    @Override
    public void close() {
        descriptors.forEach(Descriptor::close);
    }
}
