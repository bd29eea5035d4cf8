package vfio.pci.api.device;

import org.osgi.annotation.versioning.ProviderType;

/** The far end of an interrupt, usually an eventfd of the user. Close is idempotent. */
@ProviderType
public interface Signal extends AutoCloseable {
    /** Adds one event. Does nothing once closed. Never blocks, never throws; may be called by any thread. */
    void signal();

    /**
     * The signal that stands behind this one and may be told in its place: a device that hands signals to the kernel hands over
     * that one. It stays this one's, and valid until this one is closed.
     */
    default Signal direct() {
        return this;
    }

    /** Gives the far end up. */
    @Override
    void close();
}
