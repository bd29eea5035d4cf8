package vfio.pci.core;

import java.util.concurrent.atomic.AtomicInteger;
import vfio.pci.api.device.Signal;

/** Counts. */
final class FakeSignal implements Signal {
    final AtomicInteger signals = new AtomicInteger();
    final AtomicInteger closed = new AtomicInteger();

    @Override
    public void signal() {
        signals.incrementAndGet();
    }

    @Override
    public void close() {
        closed.incrementAndGet();
    }
}
