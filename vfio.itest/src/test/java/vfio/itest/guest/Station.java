package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import vfio.iavf.DriverOptions;
import vfio.iavf.FrameHandler;
import vfio.iavf.InterruptVector;
import vfio.iavf.MacAddress;
import vfio.iavf.QueueSettings;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;
import vfio.iavf.VirtualFunctionDriver;
import vfio.linux.MappedMemory;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;

/** A virtual function in use by a driver, with a connection of its own. */
final class Station implements AutoCloseable {
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final Duration QUIET = Duration.ofMillis(200);
    private static final int BUDGET = 64;
    private static final long PAUSE_NANOS = 20_000;

    private VfioUserClient client;
    private final VirtualFunctionDriver driver;
    private final boolean interrupts;

    private Station(VfioUserClient client, VirtualFunctionDriver driver, boolean interrupts) {
        this.client = client;
        this.driver = driver;
        this.interrupts = interrupts;
    }

    /** Connects to a function, resets it as a VMM does for its guest, and probes it. */
    static Station probe(Path socket, DriverOptions options) {
        return probe(socket, options, true);
    }

    private static Station probe(Path socket, DriverOptions options, boolean dynamicTrap) {
        VfioUserClient client = VfioUserClient.connect(socket, ClientOptions.DEFAULT.withDynamicTrap(dynamicTrap));
        VirtualFunctionDriver driver = null;
        boolean probed = false;
        try {
            client.reset();
            driver = VirtualFunctionDriver.attach(client, options);
            driver.probe();
            probed = true;
            return new Station(client, driver, options.interrupts());
        } finally {
            if (!probed) {
                if (driver != null) {
                    driver.abandon();
                }
                client.close();
            }
        }
    }

    /** Connects to a function and brings it up. */
    static Station open(Path socket, DriverOptions options, QueueSettings settings) {
        return open(socket, options, settings, true);
    }

    /** Connects to a function, with or without the knowledge of dynamic trap, and brings it up. */
    static Station open(Path socket, DriverOptions options, QueueSettings settings, boolean dynamicTrap) {
        Station station = probe(socket, options, dynamicTrap);
        boolean opened = false;
        try {
            station.driver.open(settings);
            opened = true;
            return station;
        } finally {
            if (!opened) {
                station.abandon();
            }
        }
    }

    /**
     * The function goes on elsewhere.
     *
     * @param next has mapped the memory; owned by the station from now on, and the one before is closed
     * @param memory owned by the driver from now on
     */
    void move(VfioUserClient next, MappedMemory memory) {
        VfioUserClient before = client;
        driver.move(next, memory);
        client = next;
        before.close();
    }

    /** Frames that have come and can be seen without an interrupt, without waiting. */
    List<byte[]> poll() {
        List<byte[]> frames = new ArrayList<>();
        while (driver.receiveQueue(0).poll(frame -> frames.add(frame.toArray()), BUDGET) == BUDGET) {}
        return frames;
    }

    VfioUserClient client() {
        return client;
    }

    VirtualFunctionDriver driver() {
        return driver;
    }

    MacAddress mac() {
        return driver.mac();
    }

    /** Sends a frame and shows it to the device; waits for room. */
    void send(byte[] frame) {
        send(frame, TransmitOffload.NONE);
    }

    void send(byte[] frame, TransmitOffload offload) {
        post(frame, offload);
        driver.transmitQueue(0).kick();
    }

    /** Posts a frame without showing it to the device, unless there is no room. */
    void post(byte[] frame, TransmitOffload offload) {
        TransmitQueue queue = driver.transmitQueue(0);
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        long start = System.nanoTime();
        while (!queue.send(bytes, offload)) {
            queue.kick();
            if (queue.reclaim() == 0) {
                requireSoon(start, "room in the TX queue");
            }
        }
    }

    /** Waits until everything that was sent has come back. */
    void awaitSent() {
        TransmitQueue queue = driver.transmitQueue(0);
        long start = System.nanoTime();
        while (!queue.isIdle()) {
            if (queue.reclaim() == 0) {
                requireSoon(start, "the end of sending");
            }
        }
    }

    /** Waits for frames on queue 0. */
    List<byte[]> receive(int count) {
        List<byte[]> frames = new ArrayList<>();
        receive(0, count, frame -> frames.add(frame.toArray()));
        return frames;
    }

    byte[] receiveOne() {
        return receive(1).get(0);
    }

    /** Waits for frames on a queue the way NAPI does: after an interrupt until there is nothing left. */
    void receive(int queue, int count, FrameHandler handler) {
        InterruptVector vector = driver.vector(queue);
        long start = System.nanoTime();
        int received = 0;
        while (received < count) {
            int now = driver.receiveQueue(queue).poll(handler, Math.min(BUDGET, count - received));
            received += now;
            if (received < count && now < BUDGET) {
                if (interrupts) {
                    vector.enable();
                    assertThat(vector.await(SOON))
                            .as("an interrupt within %s, after %d of %d frames", SOON, received, count)
                            .isPositive();
                } else if (now == 0) {
                    requireSoon(start, count - received + " more frames");
                }
            }
        }
    }

    /** What comes without being expected, within a short time and without an interrupt. */
    List<byte[]> unexpected() {
        List<byte[]> frames = new ArrayList<>();
        driver.vector(0).disable();
        long start = System.nanoTime();
        while (System.nanoTime() - start < QUIET.toNanos()) {
            driver.receiveQueue(0).poll(frame -> frames.add(frame.toArray()), BUDGET);
            LockSupport.parkNanos(PAUSE_NANOS);
        }
        return frames;
    }

    /** Leaves without a word, for a function that is not what it should be. */
    void abandon() {
        driver.abandon();
        client.close();
    }

    @Override
    public void close() {
        try {
            driver.close();
        } finally {
            client.close();
        }
    }

    private static void requireSoon(long start, String what) {
        assertThat(Duration.ofNanos(System.nanoTime() - start))
                .as("%s in time", what)
                .isLessThan(SOON);
        LockSupport.parkNanos(PAUSE_NANOS);
    }
}
