package vfio.sim;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import vfio.pci.api.device.DmaSpace;

/**
 * Does the DMA of one function for one user, in order, on a thread of its own. The thread starts with the first transfer
 * and ends with close.
 */
final class DmaEngine implements AutoCloseable {
    private static final System.Logger LOGGER = System.getLogger(DmaEngine.class.getName());
    private static final long CLOSE_SECONDS = 2;

    private final String name;
    private final DmaSpace space;
    private final ExecutorService thread;

    /** @param name of the thread */
    DmaEngine(String name, DmaSpace space) {
        this.name = name;
        this.space = space;
        thread = Executors.newSingleThreadExecutor(task -> {
            Thread created = new Thread(task, name);
            created.setDaemon(true);
            return created;
        });
    }

    /**
     * Starts a transfer. Nothing is called any more once the engine is closed.
     *
     * @param work moves the data; whatever it throws is a failed transfer
     * @param done is told whether the transfer failed
     */
    void transfer(Consumer<DmaSpace> work, Consumer<Boolean> done) {
        try {
            thread.execute(() -> done.accept(fails(work)));
        } catch (RejectedExecutionException e) {
            LOGGER.log(System.Logger.Level.DEBUG, () -> name + ": not started, the function is being closed", e);
        }
    }

    /** Waits until all transfers that were started are done, within limits. Returns whether they are. */
    boolean awaitIdle() {
        try {
            thread.submit(() -> {}).get(CLOSE_SECONDS, TimeUnit.SECONDS);
            return true;
        } catch (RejectedExecutionException e) {
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (TimeoutException | ExecutionException e) {
            return false;
        }
    }

    /** Interrupts what is under way and waits for it, within limits. */
    @Override
    public void close() {
        thread.shutdownNow();
        boolean interrupted = false;
        try {
            if (!thread.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                LOGGER.log(
                        System.Logger.Level.WARNING,
                        () -> name + " did not end within " + CLOSE_SECONDS + " s; its result will be ignored");
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean fails(Consumer<DmaSpace> work) {
        try {
            work.accept(space);
            return false;
        } catch (RuntimeException e) {
            LOGGER.log(System.Logger.Level.DEBUG, () -> name + " failed", e);
            return true;
        }
    }
}
