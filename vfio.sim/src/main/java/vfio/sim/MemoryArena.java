package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;

/** Owns the memory of a card: everything allocated through it is closed with it. */
final class MemoryArena implements SharedMemory.Factory, AutoCloseable {
    private final SharedMemory.Factory factory;
    private final List<SharedMemory> owned = new ArrayList<>();
    private boolean closed;

    MemoryArena(SharedMemory.Factory factory) {
        this.factory = factory;
    }

    @Override
    public synchronized SharedMemory allocate(String name, long size) {
        if (closed) {
            throw new VfioException(Errno.ENODEV, "no memory for " + name + ": the card has been removed");
        }
        SharedMemory memory = factory.allocate(name, size);
        owned.add(memory);
        return memory;
    }

    @Override
    public synchronized void close() {
        closed = true;
        owned.forEach(SharedMemory::close);
        owned.clear();
    }
}
