package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import vfio.iavf.DriverOptions;
import vfio.iavf.MacAddress;
import vfio.iavf.QueueSettings;

/** Virtual functions of a simulated XL710 in a distribution of the class's own, driven by a strict driver over real sockets. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(120)
abstract class DrivenFunctions {
    static final String FIRST = "0000:03:02.0";
    static final String SECOND = "0000:03:02.1";
    static final String THIRD = "0000:03:02.2";

    /** Of another card, with 16 queue pairs each. */
    static final String MANY = "0000:04:02.0";

    static final String OTHER_OF_MANY = "0000:04:02.1";

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 4 },
              "vfio.sim.xl710~pf1": { "address": "0000:04:00.0", "vfs": 2, "queues": 16 }
            }
            """;

    static final Duration SOON = Duration.ofSeconds(10);

    RuntimeProcess runtime;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> runtime);

    @BeforeAll
    void start() throws IOException {
        Path etc = Places.emptyFolder("etc", getClass().getSimpleName());
        Files.writeString(etc.resolve("bus.json"), BUS);
        runtime = RuntimeProcess.start(getClass().getSimpleName(), etc);
    }

    @AfterAll
    void stop() {
        if (runtime != null) {
            runtime.close();
        }
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void runtimeSawNoError() {
        assertThat(runtime.errors()).isEmpty();
        Awaitility.await().atMost(SOON).until(() -> runtime.user(FIRST).equals("nobody"));
        assertThat(ProcessFigures.mappedParts(runtime.pid(), "iavf")).isEmpty();
    }

    Station open(String address) {
        return open(address, DriverOptions.DEFAULT);
    }

    Station open(String address, DriverOptions options) {
        return Station.open(runtime.socket(address), options, QueueSettings.DEFAULT);
    }

    static void exchange(Station first, Station second, int size) {
        byte[] there = Packet.plain(second.mac(), first.mac(), size, size);
        byte[] back = Packet.plain(first.mac(), second.mac(), size, -size);
        first.send(there);
        second.send(back);
        assertThat(second.receiveOne()).isEqualTo(Packet.padded(there));
        assertThat(first.receiveOne()).isEqualTo(Packet.padded(back));
    }

    static void assertQuiet(Station... stations) {
        for (Station station : stations) {
            assertThat(station.unexpected()).as("frames for %s", station.mac()).isEmpty();
        }
    }

    /** Frames of other traffic may come before it. */
    static void awaitFrame(Station station, byte[] wanted) {
        List<byte[]> last = new ArrayList<>();
        do {
            last.add(station.receiveOne());
        } while (!Arrays.equals(last.get(last.size() - 1), wanted));
    }

    static void sendUntil(AtomicBoolean done, Station from, MacAddress to) {
        byte[] frame = Packet.plain(to, from.mac(), 700, 0);
        while (!done.get()) {
            from.send(frame);
        }
        from.awaitSent();
    }

    static int size(int number) {
        return 60 + number * 97 % 1455;
    }
}
