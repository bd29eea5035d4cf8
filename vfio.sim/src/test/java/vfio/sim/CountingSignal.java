package vfio.sim;

import java.util.concurrent.atomic.AtomicInteger;
import vfio.pci.api.device.Signal;

/** Counts events until closed. */
final class CountingSignal implements Signal {
    private final AtomicInteger events = new AtomicInteger();
    private volatile boolean closed;

    int events() {
        return events.get();
    }

    boolean isClosed() {
        return closed;
    }

    @Override
    public void signal() {
        if (!closed) {
            events.incrementAndGet();
        }
    }

    @Override
    public void close() {
        closed = true;
    }
}
