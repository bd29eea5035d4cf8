package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import vfio.iavf.DriverOptions;
import vfio.iavf.GuestMemory;
import vfio.iavf.MacAddress;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.iavf.Statistics;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.MigrationState;
import vfio.user.client.ClientOptions;
import vfio.user.client.MigrationClient;
import vfio.user.client.VfioUserClient;

/**
 * One move of a function under traffic, as a VMM makes it over vfio-user, with everything left open by the rules left to chance.
 *
 * <p>The memory at the target is the first copy of all, then the pages that the source reported, then those that the driver wrote
 * itself, which a VMM sees without help. It must be equal to the source's byte for byte when both stand still.
 */
final class RandomMove {
    private static final int PAGE = 4096;
    private static final long MEMORY = 16L << 20;
    private static final MacAddress ANOTHER = new MacAddress(0x0200_5e00_0077L);
    private static final RegisterPath[] PATHS = {RegisterPath.TRAPPED, RegisterPath.MAPPED, RegisterPath.POSTED};

    private final Random random;
    private final RuntimeProcess source;
    private final RuntimeProcess target;
    private boolean followsTrap;
    private long reported;
    private long written;

    RandomMove(long seed, RuntimeProcess source, RuntimeProcess target) {
        random = new Random(seed);
        this.source = source;
        this.target = target;
    }

    /** Pages that the source reported. */
    long reported() {
        return reported;
    }

    /** Pages that the function wrote, each once for each report. */
    long written() {
        return written;
    }

    void run() {
        RegisterPath path = PATHS[random.nextInt(PATHS.length)];
        followsTrap = path == RegisterPath.MAPPED;
        DriverOptions options = DriverOptions.DEFAULT
                .withRegisters(path)
                .withCanaries(random.nextBoolean())
                .withMemory(0x12_3400_0000L, MEMORY);
        QueueSettings queues = new QueueSettings(
                1 + random.nextInt(4), 32 * (4 + random.nextInt(5)), 1024 + 128 * random.nextInt(9), 1500);
        DriverOptions polling = DriverOptions.DEFAULT.withInterrupts(false);
        try (Station here = Station.open(source.socket(DrivenFunctions.SECOND), polling, queues);
                Station there = Station.open(target.socket(DrivenFunctions.SECOND), polling, queues);
                Station moving = Station.open(source.socket(DrivenFunctions.FIRST), options, queues, followsTrap)) {
            CheckedTraffic traffic = new CheckedTraffic(moving, here);
            Statistics before = moving.driver().statistics();
            work(moving, traffic, queues);
            move(moving, traffic, queues);
            traffic.peer(there);
            work(moving, traffic, queues);
            traffic.finish();
            assertThat(moving.driver().statistics().since(before).sentUnicast())
                    .as("counted by the function, here and there")
                    .isEqualTo(traffic.sent());
            assertThat(moving.driver().takeErrors()).isZero();
        }
    }

    private void move(Station moving, CheckedTraffic traffic, QueueSettings queues) {
        GuestMemory memory = moving.driver().memory();
        List<DmaRange> ranges = List.of(new DmaRange(memory.iova(), memory.size()));
        MigrationClient migration = moving.client().migration();
        WriteOracle oracle = new WriteOracle(source, DrivenFunctions.FIRST, memory.iova());
        MappedMemory image = MappedMemory.allocate("image", memory.size());
        VfioUserClient next = null;
        boolean moved = false;
        try {
            memory.watch(true);
            assertThat(migration.startLogging(PAGE, ranges)).isEqualTo(PAGE);
            oracle.start();
            if (random.nextBoolean()) {
                migration.request(MigrationState.PRE_COPY);
            }
            copy(memory, image, 0, (int) memory.size());
            for (int rounds = random.nextInt(5); rounds > 0; rounds--) {
                work(moving, traffic, queues);
                copyReported(migration, oracle, memory, image);
            }
            work(moving, traffic, queues);
            if (random.nextBoolean()) {
                traffic.send(random.nextInt(200));
            }
            traffic.settlePeer();
            migration.request(MigrationState.STOP_COPY);
            traffic.takeAtPeer();
            copyReported(migration, oracle, memory, image);
            for (long page : memory.writtenPages()) {
                copy(memory, image, page * PAGE, PAGE);
            }
            memory.watch(false);
            oracle.end();
            oracle.assertSound();
            written += oracle.writtenPages();
            assertEqual(memory, image);
            ByteBuffer state = ByteBuffer.allocate(1 << 20);
            migration.read(state);
            migration.stopLogging();

            next = VfioUserClient.connect(
                    target.socket(DrivenFunctions.FIRST), ClientOptions.DEFAULT.withDynamicTrap(followsTrap));
            next.reset();
            next.migration().request(MigrationState.RESUMING);
            next.migration().write(state.flip());
            next.dmaMap(memory.iova(), image, true, true);
            next.migration().request(MigrationState.STOP);
            traffic.takeAtPeer();
            moving.client().reset();
            moving.move(next, image);
            moved = true;
            next.migration().request(MigrationState.RUNNING);
        } finally {
            if (!moved) {
                image.close();
                if (next != null) {
                    next.close();
                }
            }
        }
    }

    /** What a guest does, in random order. */
    private void work(Station moving, CheckedTraffic traffic, QueueSettings queues) {
        for (int step = random.nextInt(60); step >= 0; step--) {
            switch (random.nextInt(25)) {
                case 0, 1, 2, 3, 4, 5 -> traffic.send(random.nextInt(100));
                case 6, 7, 8, 9, 10, 11 -> traffic.sendBack(random.nextInt(100));
                case 12, 13, 14, 15 -> traffic.take();
                case 16, 17 -> traffic.takeAtPeer();
                case 18, 19 -> moving.driver().statistics();
                case 20, 21 -> {
                    if (moving.driver().addresses().contains(ANOTHER)) {
                        moving.driver().deleteAddress(ANOTHER);
                    } else {
                        moving.driver().addAddress(ANOTHER);
                    }
                }
                case 22 -> {
                    traffic.finish();
                    moving.driver().stop();
                    moving.driver().open(queues);
                }
                default -> moving.driver().transmitQueue(0).reclaim();
            }
        }
    }

    private void copyReported(MigrationClient migration, WriteOracle oracle, GuestMemory memory, MappedMemory image) {
        oracle.look();
        BitSet dirty = migration.report(memory.iova(), memory.size(), PAGE);
        oracle.reported(dirty);
        reported += dirty.cardinality();
        dirty.stream().forEach(page -> copy(memory, image, (long) page * PAGE, PAGE));
    }

    static void copy(GuestMemory from, MappedMemory to, long offset, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        from.bytes().get(offset, bytes);
        to.put(offset, bytes.flip());
    }

    private static void assertEqual(GuestMemory memory, MappedMemory image) {
        assertEqual(memory, image, new BitSet());
    }

    /** @param except pages, counted from the start, that may differ */
    static void assertEqual(GuestMemory memory, MappedMemory image, BitSet except) {
        ByteBuffer here = ByteBuffer.allocate(PAGE);
        ByteBuffer there = ByteBuffer.allocate(PAGE);
        for (int page = 0; page < memory.size() / PAGE; page++) {
            memory.bytes().get((long) page * PAGE, here.clear());
            image.get((long) page * PAGE, there.clear());
            assertThat(except.get(page) || here.flip().equals(there.flip()))
                    .as("page 0x%x is the same", memory.iova() / PAGE + page)
                    .isTrue();
        }
    }
}
