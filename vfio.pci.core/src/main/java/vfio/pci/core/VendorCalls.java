package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
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
            0,
            Integer.MAX_VALUE,
            IDLE.toMillis(),
            TimeUnit.MILLISECONDS,
            new SynchronousQueue<>(),
            this::thread,
            (task, closed) -> thread(task).start());
    private final ScheduledThreadPoolExecutor timer =
            new ScheduledThreadPoolExecutor(1, this::thread, new ThreadPoolExecutor.DiscardPolicy());

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
     * Makes a call and waits for it, also if the waiting thread is interrupted.
     *
     * @param what names the call in reports
     * @param late takes a result that came when nobody waited any more
     * @throws StuckException if it does not return in time; it is interrupted then, and may return later all the same
     * @throws ExecutionException with what it threw
     */
    <T extends @Nullable Object> T call(String what, Duration limit, Callable<T> call, Consumer<T> late)
            throws StuckException, ExecutionException {
        AtomicReference<@Nullable Thread> caller = new AtomicReference<>();
        FutureTask<T> answer =
                new FutureTask<>(() -> {
                    caller.set(Thread.currentThread());
                    return call.call();
                }) {
                    /** Whoever gets what was thrown has it wrapped, which asks it for its message. */
                    @Override
                    protected void setException(Throwable thrown) {
                        super.setException(VendorFaults.printable(thrown));
                    }

                    @Override
                    protected void set(T result) {
                        super.set(result);
                        if (isCancelled()) {
                            late.accept(result);
                        }
                    }
                };
        long end = System.nanoTime() + limit.toNanos();
        threads.execute(answer);
        boolean interrupted = false;
        try {
            for (; ; ) {
                try {
                    return answer.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (TimeoutException e) {
                    StuckException report = new StuckException(what, limit, caller.get());
                    if (answer.cancel(true)) {
                        throw report;
                    }
                    // It came at the last moment.
                } catch (InterruptedException e) {
                    // The call goes on whoever is interrupted here; to leave it behind would leave the device in doubt.
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
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

    /**
     * Ends without waiting for calls that do not return. A device that is closed later can still make its calls, each on a
     * thread of its own; what would be due later is dropped.
     */
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
