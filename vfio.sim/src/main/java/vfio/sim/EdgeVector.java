package vfio.sim;

/** A message-signalled interrupt: each event is told once; one that arrives while masked waits. */
final class EdgeVector extends InterruptVector {
    @Override
    synchronized void fire() {
        setPending();
        deliver();
    }

    @Override
    synchronized void deliver() {
        tell(take(false));
    }
}
