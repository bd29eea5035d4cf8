package vfio.sim.xl710;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** As many vectors as a function can have, all connected; what fires is written down. */
final class FakeVectors implements Vectors {
    final List<Integer> fired = new CopyOnWriteArrayList<>();
    private int pending;
    private boolean held;

    @Override
    public synchronized void fire(int vector) {
        pending |= 1 << vector;
        deliver();
    }

    @Override
    public synchronized void fireConnected() {
        pending = (1 << InterruptControl.VECTORS) - 1;
        deliver();
    }

    @Override
    public synchronized void hold() {
        held = true;
    }

    @Override
    public synchronized void release() {
        held = false;
        deliver();
    }

    @Override
    public synchronized int pending() {
        return pending;
    }

    @Override
    public synchronized void restorePending(int bits) {
        pending = bits;
    }

    private void deliver() {
        for (; !held && pending != 0; pending &= pending - 1) {
            fired.add(Integer.numberOfTrailingZeros(pending));
        }
    }
}
