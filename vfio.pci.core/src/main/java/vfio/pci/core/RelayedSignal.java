package vfio.pci.core;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Signal;

/** The signal of a client as the hardware has it; a mediation may hear of the interrupt before. */
final class RelayedSignal implements Signal {
    private final Client client;
    private final @Nullable InterruptRelay relay;
    private final int index;
    private final int vector;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Tells the mediation. */
    @FunctionalInterface
    interface InterruptRelay {
        void interrupt(int index, int vector);
    }

    /** What several of these may stand for, while one takes the place of another; closed with the last of them. */
    static final class Client {
        private final Signal signal;
        private final AtomicInteger users = new AtomicInteger();

        Client(Signal signal) {
            this.signal = signal;
        }
    }

    /** @param relay null if nobody hears of it before */
    RelayedSignal(Client client, @Nullable InterruptRelay relay, int index, int vector) {
        this.client = client;
        this.relay = relay;
        this.index = index;
        this.vector = vector;
        client.users.incrementAndGet();
    }

    @Override
    public void signal() {
        if (relay != null) {
            relay.interrupt(index, vector);
        }
        client.signal.signal();
    }

    @Override
    public Signal direct() {
        return relay == null ? client.signal.direct() : this;
    }

    /** The hardware did not take it: the client's signal stays whose it was. */
    void discard() {
        if (closed.compareAndSet(false, true)) {
            client.users.decrementAndGet();
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true) && client.users.decrementAndGet() == 0) {
            client.signal.close();
        }
    }
}
