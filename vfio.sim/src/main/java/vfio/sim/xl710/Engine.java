package vfio.sim.xl710;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.invoke.VarHandle;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The one thread that does the work of a card. It looks for work until there is none, then sleeps: until somebody rings, if
 * everything that can happen is rung for; else for a time that grows with the time nothing has happened, since doorbells in
 * mapped memory make no sound.
 */
final class Engine implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(Engine.class.getPackageName());

    /** How often it looks again at once after the last work. */
    private static final int SPINS = 200;

    private static final long SHORTEST_SLEEP = TimeUnit.MICROSECONDS.toNanos(20);

    /** A nap costs 50 to 90 µs of the kernel in a virtual machine. */
    private static final long LONGEST_SLEEP = TimeUnit.MILLISECONDS.toNanos(20);

    /** It sleeps as long as a part of the time that nothing has happened. */
    private static final int PATIENCE = 64;

    private static final long CALL_SECONDS = 2;

    private final String name;
    private final BooleanSupplier poll;
    private final BooleanSupplier needsPolling;
    private final Queue<Runnable> calls = new ConcurrentLinkedQueue<>();
    private final Thread thread;
    private volatile boolean closed;
    private volatile boolean asleep;

    /**
     * Starts the thread.
     *
     * @param poll does what there is to do, within limits; returns whether there was anything
     * @param needsPolling whether there may be something to do without a ring
     */
    @SuppressWarnings("this-escape")
    Engine(String name, BooleanSupplier poll, BooleanSupplier needsPolling) {
        this.name = name;
        this.poll = poll;
        this.needsPolling = needsPolling;
        thread = new Thread(null, this::run, name, 0, false);
        thread.setDaemon(true);
        thread.start();
    }

    /** There may be something to do. Called by any thread after it has made it visible. */
    void ring() {
        VarHandle.fullFence();
        if (asleep) {
            LockSupport.unpark(thread);
        }
    }

    /**
     * Has something done by the thread and waits for it, within limits: a DMA that has to be asked from the client may hold it
     * up. After close it is done by the caller.
     */
    void call(Runnable action) {
        if (Thread.currentThread() == thread) {
            action.run();
        } else if (!isDoneInTime(new FutureTask<>(action, null))) {
            LOGGER.log(Level.WARNING, "{0} is held up and will do later what it was asked to do", name);
        }
    }

    /**
     * Has something found out or done by the thread, as {@link #call} does.
     *
     * @throws VfioException what the question throws; EIO if the thread is held up, and then it is not asked any more
     */
    <T> T ask(Supplier<T> question) {
        if (Thread.currentThread() == thread) {
            return question.get();
        }
        CompletableFuture<T> answer = new CompletableFuture<>();
        FutureTask<?> task = new FutureTask<>(() -> answer.complete(question.get()));
        // What cannot be cancelled has ended right now, and is asked what with.
        if (!isDoneInTime(task) && (task.cancel(false) || !isDoneInTime(task))) {
            throw new VfioException(Errno.EIO, name + " is held up by a client that does not answer; try again");
        }
        return answer.join();
    }

    private boolean isDoneInTime(FutureTask<?> task) {
        calls.add(task);
        if (closed) {
            runCalls();
        }
        ring();
        boolean interrupted = false;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CALL_SECONDS);
        try {
            while (true) {
                try {
                    task.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                    return true;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (TimeoutException e) {
                    return false;
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof VfioException refusal) {
                        throw refusal;
                    }
                    throw new IllegalStateException(name + " failed", e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Ends the thread and waits for it, within limits. */
    @Override
    public void close() {
        closed = true;
        LockSupport.unpark(thread);
        boolean interrupted = false;
        try {
            thread.join(TimeUnit.SECONDS.toMillis(CALL_SECONDS));
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        runCalls();
    }

    private void run() {
        int idle = 0;
        long lastWork = System.nanoTime();
        while (!closed) {
            if (work()) {
                idle = 0;
            } else if (idle < SPINS) {
                if (idle == 0) {
                    lastWork = System.nanoTime();
                }
                idle++;
                Thread.onSpinWait();
            } else {
                rest(lastWork);
                idle = 0;
            }
        }
    }

    /** Sleeps, and looks every now and then if need be, until there was something to do. */
    private void rest(long lastWork) {
        asleep = true;
        VarHandle.fullFence();
        try {
            // Whoever rang before it could be seen that we sleep has left what we find now.
            while (!closed && calls.isEmpty() && !work()) {
                if (needsPolling.getAsBoolean()) {
                    long idleTime = System.nanoTime() - lastWork;
                    LockSupport.parkNanos(this, Math.min(LONGEST_SLEEP, Math.max(SHORTEST_SLEEP, idleTime / PATIENCE)));
                } else {
                    LockSupport.park(this);
                }
            }
        } finally {
            asleep = false;
        }
    }

    private boolean work() {
        try {
            boolean called = runCalls();
            return poll.getAsBoolean() || called;
        } catch (RuntimeException | Error e) {
            LOGGER.log(Level.ERROR, name + " goes on after a defect of its own", e);
            return false;
        }
    }

    private boolean runCalls() {
        boolean ran = false;
        for (Runnable call = calls.poll(); call != null; call = calls.poll()) {
            call.run();
            ran = true;
        }
        return ran;
    }
}
