package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The steady state costs no allocation. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class AllocationTest {
    private static final int ROUNDS = 100_000;
    /** What the measurement itself and late compilation may cost, in all rounds together: far less than a byte each. */
    private static final long NOISE = 4096;

    @Test
    void messagesWithoutDescriptors() {
        try (UnixSocket.Pair pair = UnixSocket.pair();
                NativeBuffer buffer = NativeBuffer.allocate(4096);
                ReceivedDescriptors sink = new ReceivedDescriptors(16)) {
            assertThat(allocated(() -> {
                        pair.first().send(buffer, 0, 32);
                        pair.second().receiveFully(buffer, 64, 32, sink);
                        sink.clear();
                        pair.second().send(buffer, 64, 20);
                        pair.first().receive(buffer, 0, 20);
                    }))
                    .isLessThan(NOISE);
        }
    }

    @Test
    void signals() {
        try (EventFd event = EventFd.create()) {
            assertThat(allocated(event::signal)).isLessThan(NOISE);
        }
    }

    @Test
    void memory() {
        ByteBuffer data = ByteBuffer.allocate(100);
        try (MappedMemory sealed = MappedMemory.allocate("test", 8192);
                MappedMemory unsealed = MappedMemory.map(TestFiles.unsealed(8192), 0, 8192, true)) {
            for (MappedMemory memory : new MappedMemory[] {sealed, unsealed}) {
                assertThat(allocated(() -> {
                            memory.putInt(64, memory.getInt(68) + memory.getByte(1));
                            memory.putLong(4093, memory.getLong(4093) + memory.getShort(2));
                            memory.get(5, data.clear());
                            memory.put(4000, data.flip());
                        }))
                        .isLessThan(NOISE);
            }
        }
    }

    private static long allocated(Runnable round) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        for (int count = 0; count < ROUNDS / 5; count++) {
            round.run();
        }
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int count = 0; count < ROUNDS; count++) {
            round.run();
        }
        return threads.getCurrentThreadAllocatedBytes() - before;
    }
}
