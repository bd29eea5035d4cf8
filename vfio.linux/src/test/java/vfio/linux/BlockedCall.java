package vfio.linux;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;

/** A call on a thread of its own that is known to have arrived in a system call and to wait there. */
final class BlockedCall {
    /** Numbers of sendmsg, recvmsg, poll and ppoll, on x86-64 and arm64. */
    private static final Set<String> SYSTEM_CALLS = Set.of("46", "47", "7", "271", "211", "212", "73");

    private BlockedCall() {}

    static <T> Future<T> start(ExecutorService thread, Callable<T> call) {
        CompletableFuture<String> task = new CompletableFuture<>();
        Future<T> result = thread.submit(() -> {
            task.complete(Files.readSymbolicLink(Path.of("/proc/thread-self"))
                    .getFileName()
                    .toString());
            return call.call();
        });
        await().until(() -> task.isDone() && waits(task.join()));
        return result;
    }

    private static boolean waits(String task) throws IOException {
        String line = Files.readString(Path.of("/proc/self/task/" + task + "/syscall"));
        return SYSTEM_CALLS.contains(line.strip().replaceAll(" .*", ""));
    }
}
