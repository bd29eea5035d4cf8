package vfio.pci.core;

import vfio.pci.api.device.Signal;

/** The signal of a client, before which the mediation hears of the interrupt if it wants to. */
final class RelayedSignal implements Signal {
    private final Signal client;
    private final InterruptRelay relay;
    private final int index;
    private final int vector;

    /** Tells the mediation. */
    @FunctionalInterface
    interface InterruptRelay {
        void interrupt(int index, int vector);
    }

    RelayedSignal(Signal client, InterruptRelay relay, int index, int vector) {
        this.client = client;
        this.relay = relay;
        this.index = index;
        this.vector = vector;
    }

    @Override
    public void signal() {
        relay.interrupt(index, vector);
        client.signal();
    }

    @Override
    public void close() {
        client.close();
    }
}
