package vfio.user.client;

import java.util.concurrent.TimeUnit;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** How often the server was told that this client follows a trap layout, and whether anybody does so now. */
final class TrapConfirmations {
    private long count;
    private boolean followed;

    synchronized long count() {
        return count;
    }

    /** The server has been told. */
    synchronized void confirmed() {
        count++;
        notifyAll();
    }

    /** Somebody begins to follow, or ends. */
    synchronized void followed(boolean now) {
        followed = now;
        notifyAll();
    }

    /**
     * Waits until there are more than some.
     *
     * @return false if there are not, and either time is up or nobody follows
     * @throws VfioException ECANCELED if the thread is interrupted
     */
    synchronized boolean awaitAfter(long seen, long nanoseconds) {
        long deadline = System.nanoTime() + nanoseconds;
        try {
            for (long left = nanoseconds; count == seen && followed && left > 0; left = deadline - System.nanoTime()) {
                TimeUnit.NANOSECONDS.timedWait(this, left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VfioException(Errno.ECANCELED, "interrupted while registers were to be trapped", e);
        }
        return count != seen && System.nanoTime() - deadline < 0;
    }
}
