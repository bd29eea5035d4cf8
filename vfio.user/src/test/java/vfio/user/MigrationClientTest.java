package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.ClientTest.assertFails;
import static vfio.user.TestServer.assertAlive;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.MappedRegions;
import vfio.user.client.MigrationClient;
import vfio.user.client.VfioUserClient;

/** The client's side of moving a device, against the server. */
class MigrationClientTest {
    private static final ClientOptions SMALL = ClientOptions.DEFAULT.withMaxDataXferSize(64);
    private static final ClientOptions DYNAMIC = ClientOptions.DEFAULT.withDynamicTrap(true);
    private static final int GET = 1 << 16;
    private static final int SET = 1 << 17;

    @AutoClose
    final TestServer server = new TestServer();

    final FakeMigratable movable = new FakeMigratable();

    @Test
    void movesADevice() {
        MigrationClient source = connect(SMALL).migration();
        movable.saved = ByteBuffer.wrap(numbered(1000));
        ByteBuffer state = ByteBuffer.allocate(1024);

        source.request(MigrationState.STOP_COPY);
        assertThat(source.state()).isEqualTo(MigrationState.STOP_COPY);
        assertThat(source.read(state)).isEqualTo(1000);
        assertThat(source.read(state)).isZero();
        source.request(MigrationState.RESUMING);
        source.write(state.flip());
        source.request(MigrationState.RUNNING);

        assertThat(state.hasRemaining()).isFalse();
        assertThat(movable.loaded.flip()).isEqualTo(ByteBuffer.wrap(numbered(1000)));
        assertThat(movable.events).containsExactly("request STOP_COPY", "request RESUMING", "request RUNNING");
    }

    @Test
    void readsNoMoreThanThereIsRoom() {
        MigrationClient migration = connect(ClientOptions.DEFAULT).migration();
        movable.state = MigrationState.STOP_COPY;
        movable.saved = ByteBuffer.wrap(numbered(1000));

        assertThat(migration.read(ByteBuffer.allocate(999))).isEqualTo(999);
        assertThat(movable.pending()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"true, 5", "false, 1"})
    void asksWhatTheDeviceHas(boolean has, int flags) {
        MigrationClient migration = connect(ClientOptions.DEFAULT).migration();
        movable.preCopy = has;
        movable.logs = has;

        assertThat(migration.flags()).isEqualTo(flags);
        assertThat(migration.offersPreCopy()).isEqualTo(has);
        assertThat(migration.offersLogging()).isEqualTo(has);
        assertThat(migration.probe(2)).isTrue();
        assertThat(migration.probe(2 | GET | SET)).isTrue();
        assertThat(migration.probe(1 | SET)).isFalse();
        assertThat(migration.probe(9)).isFalse();
    }

    @Test
    void saysThatADeviceCannotBeMoved() {
        VfioUserClient client = server.connect();
        MigrationClient migration = client.migration();

        assertThat(migration.probe(1 | GET)).isFalse();
        assertThat(migration.offersLogging()).isFalse();
        assertFails(Errno.ENOTTY, migration::flags);
        assertFails(Errno.ENOTTY, migration::state);
        assertFails(Errno.ENOTTY, () -> migration.request(MigrationState.STOP));
        assertFails(Errno.ENOTTY, () -> migration.read(ByteBuffer.allocate(1)));
        assertFails(Errno.ENOTTY, () -> migration.write(ByteBuffer.allocate(1)));
        assertFails(Errno.ENOTTY, () -> migration.startLogging(4096, List.of()));
        assertFails(Errno.ENOTTY, migration::stopLogging);
        assertFails(Errno.ENOTTY, () -> migration.report(0, 4096, 4096));
        assertAlive(client);
    }

    @Test
    void startsAndStopsLogging() {
        MigrationClient migration = connect(ClientOptions.DEFAULT).migration();

        assertThat(migration.startLogging(1 << 20, List.of(new DmaRange(4096, 8192), new DmaRange(-4096, 4096))))
                .isEqualTo(4096);
        migration.stopLogging();

        assertThat(movable.events)
                .containsExactly(
                        "log 1048576 [DmaRange[iova=4096, length=8192], DmaRange[iova=-4096, length=4096]]", "stop");
    }

    @Test
    void refusesMoreRangesThanFitIntoAMessage() {
        VfioUserClient client = connect(ClientOptions.DEFAULT);
        DmaRange[] ranges = new DmaRange[1 << 17];
        Arrays.setAll(ranges, index -> new DmaRange(index * 8192L, 4096));

        assertFails(Errno.EMSGSIZE, () -> client.migration().startLogging(4096, List.of(ranges)));
        assertAlive(client);
    }

    /** 64 bytes of bitmap a message are 512 pages. */
    @ParameterizedTest
    @ValueSource(ints = {1, 63, 64, 65, 511, 512, 513, 1024, 1500})
    void reportsInAsManyMessagesAsItTakes(int pages) {
        MigrationClient migration = connect(SMALL).migration();
        movable.logging = true;
        BitSet expected = new BitSet();
        for (int page = 0; page < 1600; page += 7) {
            movable.dirty.set(16 + page);
            if (page < pages) {
                expected.set(page);
            }
        }

        assertThat(migration.report(16 * 4096, pages * 4096L - 5, 4096)).isEqualTo(expected);
        assertThat(movable.events).hasSize((pages + 511) / 512);
        assertThat(migration.report(16 * 4096, pages * 4096L, 4096)).isEqualTo(new BitSet());
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 4096", "0, 4096, 0", "0, 4096, 5000", "-4096, 8192, 4096", "0, -1, 4096"})
    void refusesToAskForWhatCannotBe(long iova, long length, long pageSize) {
        MigrationClient migration = connect(ClientOptions.DEFAULT).migration();
        movable.logging = true;

        assertFails(Errno.EINVAL, () -> migration.report(iova, length, pageSize));
        assertFails(Errno.EINVAL, () -> migration.report(iova, length, pageSize));
        assertThat(movable.events).isEmpty();
    }

    @Test
    void unmapsWithABitmap() {
        byte[] memory = new byte[70 * 4096];
        VfioUserClient client = connect(ClientOptions.DEFAULT);
        movable.logging = true;
        client.dmaMap(0x10_0000, memory, true, true);
        server.device().beforeUnmap = () -> movable.dirty.set(0x100 + 69);
        movable.dirty.set(0x101);

        assertThat(client.migration().unmap(0x10_0000, memory.length, 4096))
                .isEqualTo(BitSet.valueOf(new long[] {2, 32}));
        assertThat(server.device().mappings()).isEmpty();
        client.dmaMap(0x10_0000, memory, true, true);
        assertFails(Errno.ENOENT, () -> client.migration().unmap(0x10_0000, 4096, 4096));
    }

    @Test
    void unmapsAll() {
        VfioUserClient client = connect(ClientOptions.DEFAULT);
        client.dmaMap(0x10_0000, new byte[4096], true, true);
        client.dmaMap(0x20_0000, new byte[4096], true, true);

        client.dmaUnmapAll();

        assertThat(server.device().mappings()).isEmpty();
    }

    @Test
    void logsWhenTheRegistersAreTrapped() {
        VfioUserClient client = connect(DYNAMIC);
        AtomicInteger attempts = askForTraps();
        try (MappedRegions regions = MappedRegions.open(client, FakeDevice.SPARSE)) {
            assertThat(regions.isMapped(FakeDevice.SPARSE, 0x8000)).isTrue();

            assertThat(client.migration().startLogging(4096, List.of())).isEqualTo(4096);

            assertThat(regions.isMapped(FakeDevice.SPARSE, 0x8000)).isFalse();
            assertThat(server.device().trapStatus().inForce()).isTrue();
            assertThat(attempts).as("attempts").hasValue(2);
        }
    }

    @Test
    void doesNotWaitIfNobodyFollowsTheLayout() {
        VfioUserClient client = connect(DYNAMIC);
        AtomicInteger attempts = askForTraps();
        assertFails(Errno.EAGAIN, () -> client.migration().startLogging(4096, List.of()));
        MappedRegions.open(client, FakeDevice.SPARSE).close();
        server.device().trap(false);

        assertFails(Errno.EAGAIN, () -> client.migration().startLogging(4096, List.of()));

        assertThat(attempts).as("attempts").hasValue(2);
    }

    @Test
    void waitsForTheLayoutAsLongAsForAReply() {
        VfioUserClient client =
                server.own(VfioUserClient.connect(server.path(), DYNAMIC.withTimeout(Duration.ofMillis(300))));
        server.device().migration = movable;
        try (MappedRegions regions = MappedRegions.open(client, FakeDevice.SPARSE)) {
            movable.beforeLogging = ranges -> {
                throw new VfioException(Errno.EAGAIN, "never");
            };

            assertFails(Errno.EAGAIN, () -> client.migration().startLogging(4096, List.of()));
            assertThat(regions.isMapped(FakeDevice.SPARSE, 0x8000)).isTrue();
        }
    }

    @Test
    void theEndOfTheFollowerEndsTheWait() throws Exception {
        VfioUserClient client = connect(DYNAMIC);
        CountDownLatch asked = new CountDownLatch(1);
        movable.beforeLogging = ranges -> {
            asked.countDown();
            throw new VfioException(Errno.EAGAIN, "never");
        };
        CompletableFuture<Void> starting;
        try (MappedRegions regions = MappedRegions.open(client, FakeDevice.SPARSE)) {
            assertThat(regions.isMapped(FakeDevice.SPARSE, 0x8000)).isTrue();
            starting = CompletableFuture.runAsync(
                    () -> assertFails(Errno.EAGAIN, () -> client.migration().startLogging(4096, List.of())));
            assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue();
        }

        starting.get(10, TimeUnit.SECONDS);
    }

    /** Logging needs traps, which is said to be so until they are in force. Counts the attempts. */
    private AtomicInteger askForTraps() {
        AtomicInteger attempts = new AtomicInteger();
        FakeDevice device = server.device();
        movable.beforeLogging = ranges -> {
            attempts.incrementAndGet();
            if (!device.trapStatus().inForce()) {
                device.trap(true);
                throw new VfioException(Errno.EAGAIN, "not trapped yet");
            }
        };
        return attempts;
    }

    private VfioUserClient connect(ClientOptions options) {
        VfioUserClient client = server.connect(options);
        server.device().migration = movable;
        return client;
    }

    private static byte[] numbered(int size) {
        byte[] bytes = new byte[size];
        for (int index = 0; index < size; index++) {
            bytes[index] = (byte) index;
        }
        return bytes;
    }
}
