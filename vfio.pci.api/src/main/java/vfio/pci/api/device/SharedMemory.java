package vfio.pci.api.device;

import org.osgi.annotation.versioning.ProviderType;

/**
 * Memory that other processes can map: a page-aligned part of a file. How it is handed to a peer is the business of the
 * bundle that created it; no file descriptor shows here.
 *
 * <p>Close is idempotent and unmaps. Mappings that a peer made live on.
 */
@ProviderType
public interface SharedMemory extends Memory, AutoCloseable {
    /** Unmaps the memory and closes what it owns. */
    @Override
    void close();

    /** Makes shared memory. An OSGi service of the native bundle. */
    @ProviderType
    interface Factory {
        /**
         * Allocates zeroed memory.
         *
         * @param name shown by the kernel, for example in {@code /proc/PID/maps}
         * @param size bytes, a positive multiple of 4096
         * @return the memory, owned by the caller
         * @throws VfioException ENOMEM or EMFILE if the system has no more
         */
        SharedMemory allocate(String name, long size);
    }
}
