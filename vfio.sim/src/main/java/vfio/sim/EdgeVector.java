package vfio.sim;

import vfio.pci.api.device.Signal;

/** A message-signalled interrupt: each event is told once; one that arrives while masked waits. */
final class EdgeVector extends InterruptVector {
    @Override
    void fire() {
        Signal told;
        synchronized (this) {
            setPending();
            told = take(false);
        }
        tell(told);
    }

    @Override
    void deliver() {
        Signal told;
        synchronized (this) {
            told = take(false);
        }
        tell(told);
    }
}
