package vfio.linux.internal;

import org.osgi.service.component.annotations.Component;
import vfio.linux.TapPort;
import vfio.pci.api.device.PacketPort;

/** Links to the host for bundles that know nothing of files. */
@Component
public final class PacketPortFactory implements PacketPort.Factory {
    @Override
    public PacketPort open(String name) {
        return TapPort.open(name);
    }
}
