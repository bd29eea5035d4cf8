package vfio.pci.api.device;

import org.osgi.annotation.versioning.ProviderType;

/** The far end of an interrupt, usually an eventfd of the user. Close is idempotent. */
@ProviderType
public interface Signal extends AutoCloseable {
    /** Adds one event. Does nothing once closed. Never blocks, never throws; may be called by any thread. */
    void signal();

    /** Gives the far end up. */
    @Override
    void close();
}
