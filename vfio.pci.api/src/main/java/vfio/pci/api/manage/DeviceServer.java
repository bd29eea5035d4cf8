package vfio.pci.api.manage;

import java.nio.file.Path;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.pci.PciDevice;

/** Offers devices to VMMs, each on a socket of its own. An OSGi service of the protocol server. Safe for several threads. */
@ProviderType
public interface DeviceServer {
    /** The devices that accept connections now, by address. */
    List<Endpoint> endpoints();

    /** Whether every function that is present and assignable accepts connections, or was refused a socket for good. */
    boolean settled();

    /**
     * Where a VMM reaches a device.
     *
     * @param device the function
     * @param socket absolute path of the UNIX socket
     */
    record Endpoint(PciDevice device, Path socket) {}
}
