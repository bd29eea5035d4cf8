package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Threads for calls into code that is not ours, which may never return: who wants the result waits, but not for ever. Owns
 * the threads, which end when they have nothing to do.
 */
final class Workers implements AutoCloseable {
    private static final Logger LOG = System.getLogger(Workers.class.getPackageName());
    private static final Duration IDLE = Duration.ofSeconds(10);
    private static final Duration JOIN = Duration.ofSeconds(1);

    private final String name;
    private final ThreadPoolExecutor threads;

    Workers(String name) {
        this.name = name;
        threads = new ThreadPoolExecutor(
                0,
                Integer.MAX_VALUE,
                IDLE.toNanos(),
                TimeUnit.NANOSECONDS,
                new SynchronousQueue<>(),
                work -> new Thread(work, name));
    }

    /**
     * Begins work.
     *
     * @throws java.util.concurrent.RejectedExecutionException if this is closed
     */
    <T> Future<T> begin(Callable<T> work) {
        return threads.submit(work);
    }

    /**
     * Begins work that nobody waits for here.
     *
     * @throws java.util.concurrent.RejectedExecutionException if this is closed
     */
    void begin(Runnable work) {
        threads.execute(work);
    }

    /**
     * Waits for a result.
     *
     * @param deadline as {@link System#nanoTime} will say
     * @return the result; empty if it is not there in time, or the work failed, which is logged
     */
    static <T> Optional<T> await(Future<T> work, long deadline) {
        try {
            return Optional.of(work.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (TimeoutException | CancellationException e) {
            LOG.log(Level.DEBUG, "not waited for any longer", e);
        } catch (ExecutionException e) {
            LOG.log(Level.ERROR, "a fault of vfio.pci.repository, please report it", e.getCause());
        }
        return Optional.empty();
    }

    /** Interrupts what still runs. */
    @Override
    public void close() {
        threads.shutdownNow();
        try {
            if (!threads.awaitTermination(JOIN.toNanos(), TimeUnit.NANOSECONDS)) {
                LOG.log(Level.WARNING, "a thread {0} does not end: some bundle neither starts nor stops", name);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
