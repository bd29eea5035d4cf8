package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Threads for what must not hold anybody up: calls of vendors that may never return, and what is due later. A call that does
 * not return keeps its thread; everybody else goes on.
 */
final class VendorCalls implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(VendorCalls.class.getPackageName());
    private static final Duration IDLE = Duration.ofSeconds(5);

    private final AtomicInteger numbers = new AtomicInteger();
    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(
            0, Integer.MAX_VALUE, IDLE.toMillis(), TimeUnit.MILLISECONDS, new SynchronousQueue<>(), this::thread);
    private final ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1, this::thread);

    VendorCalls() {
        timer.setRemoveOnCancelPolicy(true);
    }

    /** A call did not return in time. */
    static final class StuckException extends Exception {
        private static final long serialVersionUID = 1;

        private final String report;

        StuckException(String what, Duration limit, @Nullable Thread thread) {
            super(what + " did not return within " + limit.toMillis() + " ms");
            report = getMessage() + (thread == null ? "" : stack(thread));
        }

        /** What happened, and where the thread is. */
        String report() {
            return report;
        }
    }

    /**
     * Makes a call and waits for it.
     *
     * @param what names the call in reports
     * @param late takes a result that came when nobody waited any more
     * @throws StuckException if it does not return in time; it is interrupted then, and may return later all the same
     * @throws ExecutionException with what it threw
     */
    <T extends @Nullable Object> T call(String what, Duration limit, Callable<T> call, Consumer<T> late)
            throws StuckException, ExecutionException {
        AtomicReference<@Nullable Thread> caller = new AtomicReference<>();
        CompletableFuture<T> answer = new CompletableFuture<>();
        threads.execute(() -> {
            caller.set(Thread.currentThread());
            try {
                T result = call.call();
                if (!answer.complete(result)) {
                    late.accept(result);
                }
            } catch (Throwable thrown) {
                answer.completeExceptionally(thrown);
            }
        });
        try {
            return answer.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            Thread stuck = caller.get();
            StuckException report = new StuckException(what, limit, stuck);
            if (answer.completeExceptionally(e)) {
                if (stuck != null) {
                    stuck.interrupt();
                }
                throw report;
            }
            // It came at the last moment.
            return answer.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ExecutionException(what + " was interrupted", e);
        }
    }

    /** Runs something soon, on a thread of its own. */
    void soon(Runnable task) {
        threads.execute(() -> {
            try {
                task.run();
            } catch (RuntimeException | Error e) {
                LOGGER.log(Level.ERROR, "a task of the core failed", e);
            }
        });
    }

    /** Runs something after a while, on a thread of its own. Returns what cancels it. */
    Runnable after(Duration delay, Runnable task) {
        var due = timer.schedule(() -> soon(task), delay.toNanos(), TimeUnit.NANOSECONDS);
        return () -> due.cancel(false);
    }

    /** Number of calls and tasks that have not returned. */
    int busy() {
        return threads.getActiveCount();
    }

    /** Ends without waiting for calls that do not return. */
    @Override
    public void close() {
        timer.shutdownNow();
        threads.shutdown();
    }

    /** Where a thread is, one frame a line. */
    static String stack(Thread thread) {
        return "; thread \"" + thread.getName() + "\" is at"
                + Arrays.stream(thread.getStackTrace())
                        .map(frame -> System.lineSeparator() + "\tat " + frame)
                        .collect(Collectors.joining());
    }

    /** Threads must not keep the class loader of whoever happens to need the first one. */
    private Thread thread(Runnable work) {
        Thread thread = new Thread(null, work, "vfio core " + numbers.incrementAndGet(), 0, false);
        thread.setDaemon(true);
        thread.setContextClassLoader(VendorCalls.class.getClassLoader());
        return thread;
    }
}
