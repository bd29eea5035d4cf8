package vfio.pci.api.manage;

import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.pci.PciDevice;

/** Loads vendor bundles that are not there yet, for a device that nobody accepts. An optional OSGi service. */
@ProviderType
public interface DriverLoader {
    /**
     * Installs and starts the bundles that say they can mediate a device. Returns when their drivers are registered, or it
     * is certain that they will not be.
     *
     * @return every bundle that was tried, in order; empty if there is none for this device, or all are loaded already
     */
    List<Attempt> load(PciDevice device);

    /** A device has been closed. The loader may unload what it loaded and nobody uses any more; it does not wait. */
    void closed(PciDevice device);

    /**
     * A bundle that was tried.
     *
     * @param bundle its symbolic name and version, or its file
     * @param failure why it could not be loaded, as a sentence; empty if it was
     */
    record Attempt(String bundle, Optional<String> failure) {}
}
