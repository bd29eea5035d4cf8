package vfio.sim;

import java.util.concurrent.CountDownLatch;
import vfio.pci.api.device.Signal;

/** Telling it lasts until the test lets it end. */
final class BlockingSignal implements Signal {
    private final CountDownLatch telling = new CountDownLatch(1);
    private final CountDownLatch go = new CountDownLatch(1);
    private volatile boolean closed;
    private volatile boolean closedWhileTold;

    /** Waits until it is being told. */
    void awaitTelling() {
        Threads.await(telling);
    }

    void letGo() {
        go.countDown();
    }

    boolean isClosed() {
        return closed;
    }

    boolean wasClosedWhileTold() {
        return closedWhileTold;
    }

    @Override
    public void signal() {
        telling.countDown();
        Threads.await(go);
        closedWhileTold = closed;
    }

    @Override
    public void close() {
        closed = true;
    }
}
