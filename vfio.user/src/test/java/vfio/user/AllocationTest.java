package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.user.client.MappedRegions;
import vfio.user.client.VfioUserClient;

/** The path of a trapped access allocates nothing in steady state, neither in the server nor in the client. */
class AllocationTest {
    private static final int WARM_UP = 30_000;
    private static final int ACCESSES = 60_000;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @BeforeEach
    void quiet() {
        server.device().recording = false;
    }

    @Test
    void readsAllocateNothing() {
        assertAllocatesNothing(() -> client.readRegister(FakeDevice.TRAPPED, 0x1000, 4));
    }

    @Test
    void writesAllocateNothing() {
        assertAllocatesNothing(() -> client.writeRegister(FakeDevice.TRAPPED, 0x1000, 4, 7));
    }

    @Test
    void postedWritesAllocateNothing() {
        assertAllocatesNothing(() -> client.writeRegisterPosted(FakeDevice.TRAPPED, 0x1000, 4, 7));
    }

    @Test
    void accessesThroughMappingsAllocateNothing() {
        try (MappedRegions regions = MappedRegions.open(client, FakeDevice.WHOLE, FakeDevice.SPARSE)) {
            assertAllocatesNothing(() -> regions.writeRegister(FakeDevice.SPARSE, 0x4010, 4, 7));
            assertAllocatesNothing(() -> regions.readRegister(FakeDevice.WHOLE, 0x10, 4));
            assertAllocatesNothing(() -> regions.writeRegister(FakeDevice.SPARSE, 0x3000, 4, 7));
        }
    }

    private void assertAllocatesNothing(Runnable access) {
        repeat(access, WARM_UP);
        long serverThread = serverThread();
        long clientThread = Thread.currentThread().getId();
        long server0 = THREADS.getThreadAllocatedBytes(serverThread);
        long client0 = THREADS.getThreadAllocatedBytes(clientThread);

        repeat(access, ACCESSES);

        long inClient = THREADS.getThreadAllocatedBytes(clientThread) - client0;
        long inServer = THREADS.getThreadAllocatedBytes(serverThread) - server0;
        // Less than a byte per access is nothing: the smallest object has 16.
        assertThat(inServer)
                .as("bytes allocated by the server in %s accesses", ACCESSES)
                .isLessThan(ACCESSES);
        assertThat(inClient)
                .as("bytes allocated by the client in %s accesses", ACCESSES)
                .isLessThan(ACCESSES);
    }

    /** Makes the accesses and returns when the server has done the last. */
    private void repeat(Runnable access, int count) {
        for (int done = 0; done < count; done++) {
            access.run();
        }
        client.readRegister(FakeDevice.TRAPPED, 0, 4);
    }

    private static long serverThread() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("vfio-user " + FakeManager.ADDRESS))
                .findFirst()
                .orElseThrow()
                .getId();
    }
}
