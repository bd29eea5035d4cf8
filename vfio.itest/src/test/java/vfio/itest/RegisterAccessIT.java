package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** A trapped register access from end to end: socket, protocol server, core, vendor bundle, simulated device. */
public class RegisterAccessIT extends InFramework {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final String VF = "0000:03:02.0";

    /** QRX_TAIL1 of queue 0, on a page that i40e keeps trapped. */
    private static final long TRAPPED = 0x2000;

    private static final int WARM_UP = 40_000;
    private static final int ACCESSES = 50_000;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server());
    }

    @Test
    public void theServersThreadAllocatesNothing() {
        insertXl710("0000:03:00.0", 1);
        try (VfioUserClient client =
                VfioUserClient.connect(Path.of(context.getProperty(SOCKET_DIRECTORY), VF + ".sock"))) {
            exchange(client, WARM_UP);
            assertThat(mediators()).as("who is in the path").containsExactly("i40e");
            long before = THREADS.getThreadAllocatedBytes(serverThread());
            exchange(client, ACCESSES);
            long allocated = THREADS.getThreadAllocatedBytes(serverThread()) - before;
            // Less than a byte per access is nothing: the smallest object has 16.
            assertThat(allocated)
                    .as("bytes allocated in %s writes, posted writes and reads", ACCESSES)
                    .isLessThan(ACCESSES);
        }
    }

    private List<String> mediators() {
        return manager().mediators().stream()
                .filter(driver -> driver.openDevices() == 1)
                .map(driver -> driver.name())
                .toList();
    }

    private static void exchange(VfioUserClient client, int count) {
        for (int value = 0; value < count; value++) {
            client.writeRegister(PciRegion.BAR0, TRAPPED, Integer.BYTES, value & 0xfff);
            client.writeRegisterPosted(PciRegion.BAR0, TRAPPED + 4, Integer.BYTES, value & 0xfff);
            assertThat(client.readRegister(PciRegion.BAR0, TRAPPED, Integer.BYTES))
                    .isEqualTo(value & 0xfff);
        }
    }

    private static long serverThread() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("vfio-user " + VF))
                .findFirst()
                .orElseThrow()
                .getId();
    }
}
