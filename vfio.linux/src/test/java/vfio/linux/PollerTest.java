package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PollerTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    private final long filesBefore = ProcessState.openFiles();
    private final Poller<String> poller = new Poller<>();
    private final ExecutorService thread = Executors.newSingleThreadExecutor();

    @TempDir
    Path folder;

    @AfterEach
    void closeAndFindNothingLeft() throws InterruptedException {
        poller.close();
        thread.shutdown();
        assertThat(thread.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
        assertThat(ProcessState.openFiles()).isEqualTo(filesBefore);
    }

    @Test
    void reportsWhatIsReady() {
        try (EventFd quiet = EventFd.create();
                EventFd event = EventFd.create();
                UnixSocket.Pair pair = UnixSocket.pair();
                NativeBuffer buffer = NativeBuffer.allocate(16)) {
            poller.add(quiet, "quiet");
            poller.add(event, "event");
            poller.add(pair.second(), "socket");
            drainWakeup();

            event.signal();
            assertThat(poller.await(LONG)).containsExactly("event");
            pair.first().send(buffer, 0, 1);
            assertThat(poller.await(LONG)).containsExactly("event", "socket");
            event.drain();
            assertThat(poller.await(LONG)).containsExactly("socket");
            pair.second().receive(buffer, 0, 1);
            assertThat(poller.await(Duration.ZERO)).isEmpty();
            pair.first().close();
            assertThat(poller.await(LONG)).containsExactly("socket");
        }
    }

    @Test
    void watchesManyListeners() {
        List<UnixListener> listeners = new ArrayList<>();
        for (int index = 0; index < 100; index++) {
            UnixListener listener = UnixListener.bind(folder.resolve(index + ".sock"), 0600);
            listeners.add(listener);
            poller.add(listener, "listener " + index);
        }
        drainWakeup();
        try (UnixSocket one = UnixSocket.connect(folder.resolve("17.sock"));
                UnixSocket two = UnixSocket.connect(folder.resolve("99.sock"))) {
            assertThat(poller.await(LONG)).containsExactly("listener 17", "listener 99");
            listeners.get(17).accept().close();
            assertThat(poller.await(LONG)).containsExactly("listener 99");
            assertThat(one.isClosed() || two.isClosed()).isFalse();
        }
        listeners.forEach(poller::remove);
        listeners.forEach(UnixListener::close);
    }

    @Test
    void endsAfterTheTimeout() {
        long start = System.nanoTime();
        assertThat(poller.await(Duration.ofMillis(20))).isEmpty();
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(20_000_000L);
        assertThat(poller.await(Duration.ofSeconds(-1))).isEmpty();
    }

    @Test
    void wakesUp() throws Exception {
        Future<List<String>> waiting =
                BlockedCall.start(thread, () -> poller.await(Duration.ofSeconds(Long.MAX_VALUE)));
        poller.wakeup();
        assertThat(waiting.get(10, TimeUnit.SECONDS)).isEmpty();

        poller.wakeup();
        assertThat(poller.await(LONG)).isEmpty();
    }

    @Test
    void additionTakesEffectOnAWaitInProgress() throws Exception {
        try (EventFd event = EventFd.create()) {
            event.signal();
            Future<List<String>> waiting = BlockedCall.start(thread, () -> {
                List<String> ready = poller.await(LONG);
                return ready.isEmpty() ? poller.await(LONG) : ready;
            });
            poller.add(event, "late");
            assertThat(waiting.get(10, TimeUnit.SECONDS)).containsExactly("late");
        }
    }

    @Test
    void forgetsWhatIsRemovedOrClosed() {
        EventFd removed = EventFd.create();
        EventFd closed = EventFd.create();
        poller.add(removed, "removed");
        poller.add(closed, "closed");
        drainWakeup();
        removed.signal();
        closed.signal();
        poller.remove(removed);
        assertThat(poller.await(LONG)).containsExactly("closed");
        closed.close();
        assertThat(poller.await(Duration.ZERO)).isEmpty();
        poller.remove(closed);
        poller.remove(removed);
        removed.close();
    }

    @Test
    void closingAListenerEndsAWaitForIt() throws Exception {
        UnixListener listener = UnixListener.bind(folder.resolve("s"), 0600);
        poller.add(listener, "listener");
        drainWakeup();
        Future<List<String>> waiting = BlockedCall.start(thread, () -> poller.await(LONG));
        listener.close();
        assertThat(waiting.get(10, TimeUnit.SECONDS)).isEmpty();
    }

    @Test
    void closeEndsAWait() throws Exception {
        Future<Errno> waiting = BlockedCall.start(thread, () -> {
            try {
                throw new AssertionError("the wait ended with " + poller.await(LONG));
            } catch (VfioException failure) {
                return failure.errno();
            }
        });
        poller.close();
        assertThat(waiting.get(10, TimeUnit.SECONDS)).isEqualTo(Errno.EBADF);
        Expect.failure(Errno.EBADF, () -> poller.await(LONG));
        poller.wakeup();
        poller.close();
    }

    private void drainWakeup() {
        assertThat(poller.await(Duration.ZERO)).isEmpty();
    }
}
