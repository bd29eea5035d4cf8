package vfio.linux.internal;

import org.osgi.service.component.annotations.Component;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.SharedMemory;

/** Shared memory for bundles that know nothing of files. */
@Component
public final class MemoryFactory implements SharedMemory.Factory {
    @Override
    public SharedMemory allocate(String name, long size) {
        return MappedMemory.allocate(name, size);
    }
}
