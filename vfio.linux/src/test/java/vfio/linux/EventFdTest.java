package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class EventFdTest {
    @Test
    void countsAndDrains() {
        try (EventFd event = EventFd.create()) {
            assertThat(event.drain()).isZero();
            event.signal();
            event.signal();
            event.signal();
            assertThat(event.drain()).isEqualTo(3);
            assertThat(event.drain()).isZero();
        }
    }

    @Test
    void waitsForAnEvent() throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try (EventFd event = EventFd.create()) {
            assertThat(event.await(Duration.ZERO)).isFalse();
            long start = System.nanoTime();
            assertThat(event.await(Duration.ofMillis(20))).isFalse();
            assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(20_000_000L);

            Future<Boolean> waiting = BlockedCall.start(thread, () -> event.await(Duration.ofSeconds(20)));
            event.signal();
            assertThat(waiting.get(10, TimeUnit.SECONDS)).isTrue();
            assertThat(event.drain()).isEqualTo(1);
        } finally {
            thread.shutdownNow();
        }
    }

    @Test
    void duplicateCountsTheSameEvents() {
        EventFd event = EventFd.create();
        try (EventFd far = EventFd.of(event.duplicateDescriptor())) {
            far.signal();
            assertThat(event.drain()).isEqualTo(1);
            event.signal();
            event.close();
            assertThat(far.drain()).isEqualTo(1);
        }
    }

    @Test
    void worksOverASocket() {
        try (UnixSocket.Pair pair = UnixSocket.pair();
                NativeBuffer buffer = NativeBuffer.allocate(16);
                EventFd event = EventFd.create();
                Descriptor descriptor = event.duplicateDescriptor();
                ReceivedDescriptors sink = new ReceivedDescriptors(1)) {
            pair.first().send(buffer, 0, 1, List.of(descriptor));
            pair.second().receive(buffer, 0, 1, sink);
            try (EventFd received = EventFd.of(sink.take(0))) {
                received.signal();
                assertThat(event.drain()).isEqualTo(1);
            }
        }
    }

    @Test
    void signalNeverBlocksOnAFullCounter() {
        int blocking = Libc.eventfd(0, Linux.EFD_CLOEXEC);
        try (EventFd event = EventFd.of(new Descriptor(blocking))) {
            assertThat(Libc.eventfd_write(blocking, -2)).isZero();
            event.signal();
            event.signal();
            assertThat(event.drain()).isEqualTo(-2);
            assertThat(event.drain()).isZero();
        }
    }

    @Test
    void refusesWhatIsNoEventFd() {
        try (Descriptor file = TestFiles.unsealed(4096);
                UnixSocket.Pair pair = UnixSocket.pair()) {
            Expect.failure(Errno.EINVAL, () -> EventFd.of(file)).hasMessageContaining("memfd:test");
            Expect.failure(Errno.EINVAL, () -> EventFd.of(pair.first().descriptor()));
            assertThat(file.isClosed()).isFalse();
        }
    }

    @Test
    void isSilentAfterClose() {
        long before = ProcessState.openFiles();
        EventFd event = EventFd.create();
        event.close();
        event.close();
        event.signal();
        assertThat(ProcessState.openFiles()).isEqualTo(before);
        Expect.failure(Errno.EBADF, event::drain);
        Expect.failure(Errno.EBADF, () -> event.await(Duration.ZERO));
        Expect.failure(Errno.EBADF, event::duplicateDescriptor);
        try (Descriptor closed = TestFiles.unsealed(4096)) {
            closed.close();
            Expect.failure(Errno.EBADF, () -> EventFd.of(closed));
        }
    }
}
