package vfio.pci.api.device;

import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The client's memory as the device sees it, addressed by IOVA.
 *
 * <p>Each access is checked against the DMA map for bounds and permission; an access must lie inside one mapping. Any
 * failure is {@link VfioException} EFAULT and leaves the device to decide what a failed DMA means for it. A mapping that is
 * being removed waits for accesses in progress, never the other way round.
 *
 * <p>Memory for which the client sent no file descriptor is reached by a message to the client. Such an access blocks until
 * the client answers, so it must not be made while the client waits for us: from within a region access it fails with
 * EDEADLK. Devices do their DMA on a thread of their own.
 */
@ProviderType
public interface DmaSpace {
    /** Copies {@code destination.remaining()} bytes from the client's memory; the buffer's position advances. */
    void read(long iova, ByteBuffer destination);

    /** Copies {@code source.remaining()} bytes to the client's memory; the buffer's position advances. */
    void write(long iova, ByteBuffer source);
}
