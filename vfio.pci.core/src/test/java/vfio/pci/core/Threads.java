package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Threads of one test, by name; close fails if one of them has failed or does not end. */
final class Threads implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(10);

    private final List<Task> tasks = new ArrayList<>();

    /** A running piece of code. */
    static final class Task {
        private final CompletableFuture<Void> result = new CompletableFuture<>();
        private final Thread thread;

        private Task(String name, Runnable code) {
            thread = new Thread(
                    () -> {
                        try {
                            code.run();
                            result.complete(null);
                        } catch (Throwable thrown) {
                            result.completeExceptionally(thrown);
                        }
                    },
                    name);
            thread.setDaemon(true);
            thread.start();
        }

        /** Waits until the thread waits for something. */
        Task awaitBlocked() {
            await(thread.getName() + " waits")
                    .atMost(PATIENCE)
                    .pollInterval(Duration.ofMillis(1))
                    .until(() -> thread.getState() == Thread.State.WAITING
                            || thread.getState() == Thread.State.TIMED_WAITING);
            assertThat(result).isNotDone();
            return this;
        }

        /** Waits for the end; fails with what the code threw. */
        void join() {
            join(System.nanoTime() + PATIENCE.toNanos());
        }

        private void join(long deadline) {
            try {
                result.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            } catch (ExecutionException e) {
                throw new AssertionError(thread.getName() + " failed", e.getCause());
            } catch (TimeoutException | InterruptedException e) {
                throw new AssertionError(thread.getName() + " did not end", e);
            }
        }

        boolean isRunning() {
            return thread.isAlive();
        }

        void interrupt() {
            thread.interrupt();
        }
    }

    Task start(String name, Runnable code) {
        Task task = new Task(name, code);
        tasks.add(task);
        return task;
    }

    @Override
    public void close() {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        tasks.forEach(task -> task.join(deadline));
    }
}
