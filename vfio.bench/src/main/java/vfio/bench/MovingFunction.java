package vfio.bench;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import vfio.iavf.DriverOptions;
import vfio.iavf.FrameHandler;
import vfio.iavf.GuestMemory;
import vfio.iavf.MacAddress;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;
import vfio.iavf.VirtualFunctionDriver;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.MigrationState;
import vfio.user.client.ClientOptions;
import vfio.user.client.MigrationClient;
import vfio.user.client.VfioUserClient;

/**
 * A virtual function that goes to and fro between two runtimes, with all queues in use, and a function at each that it talks to.
 * For one thread, which is the guest and the VMM by turns.
 */
final class MovingFunction implements AutoCloseable {
    static final int PAIRS = 16;

    private static final String MOVING = "0000:03:02.0";
    private static final String PEER = "0000:03:02.1";
    private static final int PAGE = 4096;
    private static final long IOVA = 0x1_0000_0000L;
    private static final long MEMORY = 64 << 20;
    private static final int STATE_MAXIMUM = 1 << 20;
    private static final int COPY_SIZE = 1 << 18;
    private static final int BATCH = 32;
    private static final int FLOWS = 256;
    private static final int FRAME = 128;
    private static final int ETHER_TYPE = 12;
    private static final short IPV4 = 0x0800;
    private static final int IPV4_HEADER = 14;
    private static final int IPV4_VERSION_AND_LENGTH = 0x4500_0000 | FRAME - IPV4_HEADER;

    /** One of the protocol numbers for experiments. */
    private static final int IPV4_TTL_AND_PROTOCOL = 0x40fd_0000;

    private static final long PATIENCE_NANOS = 10_000_000_000L;

    /** What is done while the function stands still. */
    enum Step {
        STOP("STOP_COPY"),
        PAGES("report and copy of the last pages"),
        STATE("state"),
        LOAD("STOP, which loads it"),
        DRIVER("registers and interrupts of the driver"),
        RUN("RUNNING");

        private final String label;

        Step(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }
    }

    /** A connection with a driver. */
    private static final class Port implements AutoCloseable {
        private VfioUserClient client;
        private final VirtualFunctionDriver driver;
        private long frames;

        private Port(VfioUserClient client, VirtualFunctionDriver driver) {
            this.client = client;
            this.driver = driver;
        }

        static Port open(Path socket) {
            VfioUserClient client = connect(socket);
            client.reset();
            DriverOptions options = DriverOptions.DEFAULT
                    .withRegisters(RegisterPath.MAPPED)
                    .withInterrupts(false)
                    .withCanaries(false)
                    .withMemory(IOVA, MEMORY);
            VirtualFunctionDriver driver = VirtualFunctionDriver.attach(client, options);
            driver.probe();
            driver.open(QueueSettings.DEFAULT.withPairs(PAIRS));
            return new Port(client, driver);
        }

        static VfioUserClient connect(Path socket) {
            return VfioUserClient.connect(socket, ClientOptions.DEFAULT.withDynamicTrap(true));
        }

        /** IPv4 of many senders, so that the receiver spreads it over its queues. */
        void prepareFrames(MacAddress to) {
            frames = driver.memory().allocate((long) FLOWS * FRAME, PAGE);
            for (int flow = 0; flow < FLOWS; flow++) {
                ByteBuffer frame = ByteBuffer.allocate(FRAME);
                to.put(frame, 0);
                driver.mac().put(frame, MacAddress.SIZE);
                frame.putShort(ETHER_TYPE, IPV4);
                frame.putInt(IPV4_HEADER, IPV4_VERSION_AND_LENGTH);
                frame.putInt(IPV4_HEADER + 8, IPV4_TTL_AND_PROTOCOL);
                frame.putInt(IPV4_HEADER + 12, flow * 0x0103_0507);
                driver.memory().bytes().put(frames + (long) flow * FRAME, frame);
            }
        }

        /** Sends some frames if there is room for them; returns how many. */
        int send(int queue, int firstFlow) {
            TransmitQueue transmit = driver.transmitQueue(queue);
            transmit.reclaim();
            if (transmit.free() < BATCH) {
                return 0;
            }
            for (int flow = firstFlow; flow < firstFlow + BATCH; flow++) {
                long frame = driver.memory().address(frames + (long) (flow % FLOWS) * FRAME);
                transmit.post(frame, FRAME, TransmitOffload.NONE);
            }
            transmit.kick();
            return BATCH;
        }

        int receive(int queue, FrameHandler handler) {
            return driver.receiveQueue(queue).poll(handler, BATCH);
        }

        /** Goes on behind another connection, with a copy of the memory. */
        void move(VfioUserClient next, MappedMemory image) {
            driver.move(next, image);
            client = next;
        }

        @Override
        public void close() {
            driver.close();
            client.close();
        }
    }

    private final Path[] sockets;
    private final Port[] peers = new Port[2];
    private final Port moving;
    private final ByteBuffer copy = ByteBuffer.allocateDirect(COPY_SIZE);
    private final ByteBuffer state = ByteBuffer.allocateDirect(STATE_MAXIMUM);
    private final FrameHandler ignored = frame -> {};
    private int place;
    private long lastPages;

    private MovingFunction(Path[] sockets, Port moving) {
        this.sockets = sockets;
        this.moving = moving;
    }

    /** Brings it up at the first runtime, and the functions that it talks to at both. */
    static MovingFunction open(Distribution here, Distribution there) {
        Path[] sockets = {here.socket(MOVING), there.socket(MOVING)};
        MovingFunction function = new MovingFunction(sockets, Port.open(sockets[0]));
        boolean opened = false;
        try {
            function.peers[0] = Port.open(here.socket(PEER));
            function.peers[1] = Port.open(there.socket(PEER));
            function.moving.prepareFrames(function.peers[0].driver.mac());
            for (Port peer : function.peers) {
                peer.prepareFrames(function.moving.driver.mac());
            }
            opened = true;
            return function;
        } finally {
            if (!opened) {
                function.close();
            }
        }
    }

    /** Pages that were copied while it stood still in the last move, those that the driver wrote among them. */
    long lastPages() {
        return lastPages;
    }

    /**
     * The guest sends and receives on all queues until so many frames were sent and each queue of both ends has received some. What is
     * on its way then stays there.
     */
    void work(int frames) {
        Port peer = peers[place];
        BitSet silent = new BitSet(2 * PAIRS);
        silent.set(0, 2 * PAIRS);
        long start = System.nanoTime();
        for (int sent = 0; sent < frames || !silent.isEmpty(); ) {
            for (int queue = 0; queue < PAIRS; queue++) {
                sent += moving.send(queue, sent) + peer.send(queue, sent);
                if (moving.receive(queue, ignored) > 0) {
                    silent.clear(queue);
                }
                if (peer.receive(queue, ignored) > 0) {
                    silent.clear(PAIRS + queue);
                }
            }
            if (System.nanoTime() - start > PATIENCE_NANOS) {
                throw new IllegalStateException(sent + " frames were sent, and these queues received none: " + silent);
            }
        }
    }

    /**
     * The VMM takes it to the other runtime.
     *
     * @param guest runs while memory is copied, and does not while the function stands still
     * @return nanoseconds of each step
     */
    Map<Step, Long> move(Runnable guest) {
        GuestMemory memory = moving.driver.memory();
        MigrationClient migration = moving.client.migration();
        memory.watch(true);
        migration.startLogging(PAGE, List.of(new DmaRange(memory.iova(), memory.size())));
        migration.request(MigrationState.PRE_COPY);
        VfioUserClient next = Port.connect(sockets[1 - place]);
        MappedMemory image = MappedMemory.allocate("image", memory.size());
        next.reset();
        next.dmaMap(memory.iova(), image, true, true);
        next.migration().request(MigrationState.RESUMING);
        copy(memory, image, 0, memory.size());
        for (int round = 0; round < 2; round++) {
            guest.run();
            copy(memory, image, migration.report(memory.iova(), memory.size(), PAGE));
        }
        guest.run();

        Stopwatch watch = new Stopwatch();
        migration.request(MigrationState.STOP_COPY);
        watch.ended(Step.STOP);
        BitSet pages = migration.report(memory.iova(), memory.size(), PAGE);
        for (long page : memory.writtenPages()) {
            pages.set((int) page);
        }
        copy(memory, image, pages);
        watch.ended(Step.PAGES);
        migration.read(state.clear());
        next.migration().write(state.flip());
        watch.ended(Step.STATE);
        next.migration().request(MigrationState.STOP);
        watch.ended(Step.LOAD);
        VfioUserClient before = moving.client;
        moving.move(next, image);
        watch.ended(Step.DRIVER);
        next.migration().request(MigrationState.RUNNING);
        watch.ended(Step.RUN);

        memory.watch(false);
        migration.stopLogging();
        before.reset();
        before.close();
        lastPages = pages.cardinality();
        place = 1 - place;
        return watch.nanos;
    }

    @Override
    public void close() {
        moving.close();
        for (Port peer : peers) {
            if (peer != null) {
                peer.close();
            }
        }
    }

    /** How long each step took. */
    private static final class Stopwatch {
        private final Map<Step, Long> nanos = new EnumMap<>(Step.class);
        private long last = System.nanoTime();

        void ended(Step step) {
            long now = System.nanoTime();
            nanos.put(step, now - last);
            last = now;
        }
    }

    private void copy(GuestMemory from, MappedMemory to, BitSet pages) {
        for (int first = pages.nextSetBit(0); first >= 0; ) {
            int end = pages.nextClearBit(first);
            copy(from, to, (long) first * PAGE, (long) (end - first) * PAGE);
            first = pages.nextSetBit(end);
        }
    }

    private void copy(GuestMemory from, MappedMemory to, long offset, long length) {
        for (long done = 0; done < length; done += COPY_SIZE) {
            copy.clear().limit((int) Math.min(COPY_SIZE, length - done));
            from.bytes().get(offset + done, copy);
            to.put(offset + done, copy.flip());
        }
    }
}
