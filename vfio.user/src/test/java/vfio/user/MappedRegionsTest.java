package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.ClientTest.assertFails;
import static vfio.user.TestServer.eventually;

import java.io.BufferedReader;
import java.io.FileReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.MappedRegions;
import vfio.user.client.VfioUserClient;

/** Registers through real mappings, and the client's half of the handshake when these come and go. */
class MappedRegionsTest {
    private static final int REGION = FakeDevice.SPARSE;

    /** In areas that stay, that may be withdrawn, and in none. */
    private static final long DIRECT = 0x1010;

    private static final long DISABLABLE = 0x8010;
    private static final long TRAPPED = 0x3010;
    private static final long VALUE = 0x8877_6655_4433_2211L;

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect(ClientOptions.DEFAULT.withDynamicTrap(true));
    final AtomicInteger messages = new AtomicInteger();

    private final List<MappedRegions> opened = new ArrayList<>();
    private FakeDevice device;
    private MappedMemory memory;

    @BeforeEach
    void countMessages() {
        device = server.device();
        memory = device.memory(REGION);
        device.beforeRead = access -> messages.incrementAndGet();
        device.beforeWrite = access -> messages.incrementAndGet();
    }

    @AfterEach
    void closeRegions() {
        opened.forEach(MappedRegions::close);
    }

    @ParameterizedTest
    @CsvSource({"1, 0x11", "2, 0x2211", "4, 0x44332211", "8, 0x8877665544332211"})
    void accessesOfEachWidthGoThroughTheMapping(int width, String expected) {
        MappedRegions regions = open(REGION);
        long low = Long.parseUnsignedLong(expected.substring(2), 16);
        memory.putLong(DISABLABLE, -1);

        regions.writeRegister(REGION, DISABLABLE, width, VALUE);
        regions.writeRegister(REGION, DIRECT, width, VALUE);

        assertThat(memory.getLong(DIRECT)).isEqualTo(low);
        assertThat(memory.getLong(DISABLABLE)).isEqualTo(low | ~mask(width));
        assertThat(regions.readRegister(REGION, DISABLABLE, width)).isEqualTo(low);
        assertThat(messages).hasValue(0);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8})
    void accessesToTheRestGoByMessage(int width) {
        MappedRegions regions = open(REGION);

        regions.writeRegister(REGION, TRAPPED, width, VALUE);
        long read = regions.readRegister(REGION, TRAPPED, width);

        assertThat(read).isEqualTo(VALUE & mask(width));
        assertThat(messages).hasValue(2);
    }

    /** Two areas that touch are two mappings, and an access in both is in neither. */
    @ParameterizedTest
    @ValueSource(longs = {0x1ffe, 0xffe, 0x5ffe, 0x8fff})
    void anAccessAcrossTheEndOfAnAreaGoesByMessage(long offset) {
        open(REGION).writeRegister(REGION, offset, 4, 0x0102_0304);

        assertThat(memory.getInt(offset)).isEqualTo(0x0102_0304);
        assertThat(messages).hasValue(1);
    }

    @ParameterizedTest
    @CsvSource({"0x1000, 0xffc", "0x4000, 0x1ffc", "0x8000, 0xffc", "0, 0xffc"})
    void theWholeOfAnAreaIsMapped(String start, String last) {
        MappedRegions regions = open(REGION);

        for (long offset : new long[] {0, Long.decode(last)}) {
            regions.writeRegister(REGION, Long.decode(start) + offset, 4, 7);
            assertThat(memory.getInt(Long.decode(start) + offset)).isEqualTo(7);
        }
        assertThat(messages).hasValue(0);
    }

    @Test
    void aRegionThatIsMappableAsAWholeIsMapped() {
        MappedRegions regions = open(FakeDevice.WHOLE, FakeDevice.WHOLE);

        regions.writeRegister(FakeDevice.WHOLE, 0x1ffc, 4, 9);

        assertThat(device.memory(FakeDevice.WHOLE).getInt(0x1ffc)).isEqualTo(9);
        assertThat(messages).hasValue(0);
    }

    @Test
    void otherRegionsAreReachedByMessage() {
        MappedRegions regions = open(REGION, FakeDevice.TRAPPED, FakeDevice.ABSENT);

        regions.writeRegister(FakeDevice.TRAPPED, 0, 4, 5);
        regions.writeRegister(FakeDevice.WHOLE, 0, 4, 6);

        assertThat(messages).hasValue(2);
        assertThat(regions.isMapped(FakeDevice.WHOLE, 0)).isFalse();
        assertFails(Errno.EINVAL, () -> regions.readRegister(FakeDevice.ABSENT, 0, 4));
        assertFails(Errno.EINVAL, () -> regions.readRegister(-1, 0, 4));
        assertFails(Errno.EACCES, () -> regions.writeRegister(FakeDevice.READ_ONLY, 0, 4, 1));
    }

    @Test
    void aMappableRegionThatIsReadOnlyIsWrittenByMessage() {
        device.afterInfo = info -> info.index() == FakeDevice.WHOLE
                ? new RegionInfo(
                        info.index(), info.size(), Set.of(RegionInfo.Flag.READ, RegionInfo.Flag.MMAP), List.of(), 0, 0)
                : info;
        MappedRegions regions = open(FakeDevice.WHOLE);

        assertThat(regions.readRegister(FakeDevice.WHOLE, 0, 4)).isZero();
        assertThat(messages).hasValue(0);
        regions.writeRegister(FakeDevice.WHOLE, 0, 4, 1);
        assertThat(messages).as("left to the server to refuse").hasValue(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 5, 16, -1, Integer.MIN_VALUE})
    void refusesARegisterOfAnotherWidth(int width) {
        MappedRegions regions = open(REGION);

        assertFails(Errno.EINVAL, () -> regions.readRegister(REGION, DIRECT, width));
        assertFails(Errno.EINVAL, () -> regions.writeRegister(REGION, DIRECT, width, 0));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 0xfffd, 0x1_0000})
    void anAccessOutsideTheRegionIsRefusedByTheServer(long offset) {
        MappedRegions regions = open(REGION);

        assertFails(Errno.EINVAL, () -> regions.readRegister(REGION, offset, 4));
        assertFails(Errno.EINVAL, () -> regions.writeRegister(REGION, offset, 4, 0));
    }

    @Test
    void followsTheLayout() {
        int before = mappings();
        MappedRegions regions = open(REGION, FakeDevice.DISABLABLE);
        assertThat(mappings()).isEqualTo(before + 5);
        regions.writeRegister(REGION, DISABLABLE, 4, 1);
        assertThat(messages).hasValue(0);

        device.trap(true);
        eventually(() -> assertThat(device.trapStatus().inForce()).isTrue());

        assertThat(mappings()).isEqualTo(before + 2);
        assertThat(regions.isMapped(REGION, DISABLABLE)).isFalse();
        assertThat(regions.isMapped(FakeDevice.DISABLABLE, 0x1000)).isFalse();
        regions.writeRegister(REGION, DISABLABLE, 4, 2);
        assertThat(messages).hasValue(1);
        assertThat(memory.getInt(DISABLABLE)).isEqualTo(2);
        regions.writeRegister(REGION, DIRECT, 4, 3);
        assertThat(messages).hasValue(1);

        device.trap(false);
        eventually(() -> assertThat(device.trapStatus().switches()).isEqualTo(2));

        assertThat(mappings()).isEqualTo(before + 5);
        regions.writeRegister(REGION, DISABLABLE, 4, 4);
        assertThat(memory.getInt(DISABLABLE)).isEqualTo(4);
        assertThat(messages).hasValue(1);
    }

    @Test
    void mapsOnlyWhatIsOfferedWhenItIsTrappedFromTheStart() {
        device.trap(true);
        MappedRegions regions = open(REGION, FakeDevice.DISABLABLE);

        assertThat(regions.isMapped(REGION, DIRECT)).isTrue();
        assertThat(regions.isMapped(REGION, DISABLABLE)).isFalse();
        eventually(() -> assertThat(device.trapStatus().inForce()).isTrue());

        device.trap(false);
        eventually(() -> assertThat(regions.isMapped(REGION, DISABLABLE)).isTrue());
        eventually(() ->
                assertThat(regions.isMapped(FakeDevice.DISABLABLE, 0x1000)).isTrue());
    }

    /** The layout changes when the client has been told how it is, and before it has mapped that. */
    @Test
    void followsAChangeDuringTheFirstLook() {
        AtomicBoolean once = new AtomicBoolean(true);
        device.afterInfo = info -> {
            if (info.index() == FakeDevice.WHOLE && once.compareAndSet(true, false)) {
                device.trap(true);
            }
            return info;
        };
        MappedRegions regions = open(REGION, FakeDevice.WHOLE);

        eventually(() -> assertThat(device.trapStatus().inForce()).isTrue());
        assertThat(regions.isMapped(REGION, DISABLABLE)).isFalse();
    }

    /** While the client looks at one layout, others follow; it ends at the last, and only that one counts. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void followsChangesThatComeCloseTogether(int more) throws Exception {
        MappedRegions regions = open(REGION);
        CountDownLatch looking = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        device.afterInfo = info -> {
            looking.countDown();
            awaitQuietly(go);
            return info;
        };
        device.trap(true);
        assertThat(looking.await(20, TimeUnit.SECONDS)).isTrue();
        boolean trapped = true;
        for (int change = 0; change < more; change++) {
            trapped = !trapped;
            device.trap(trapped);
        }
        boolean last = trapped;
        go.countDown();

        eventually(() -> assertThat(device.trapStatus().switches()).isEqualTo(1));
        assertThat(device.trapStatus().inForce()).isEqualTo(last);
        assertThat(regions.isMapped(REGION, DISABLABLE)).isEqualTo(!last);
        assertThat(acknowledgements()).isEqualTo(2);
    }

    @Test
    void acknowledgesASignalWithoutAChange() {
        MappedRegions regions = open(REGION);
        int before = mappings();

        device.trapSwitch.signalForNoReason();

        eventually(() -> assertThat(acknowledgements()).isEqualTo(1));
        assertThat(mappings()).isEqualTo(before);
        assertThat(regions.isMapped(REGION, DISABLABLE)).isTrue();
    }

    /** The JVM would not survive an access to memory that is not there any more. */
    @Test
    void accessesAndChangesAtFullSpeed() throws Exception {
        device.recording = false;
        MappedRegions regions = open(REGION);
        AtomicBoolean running = new AtomicBoolean(true);
        List<CompletableFuture<Void>> work = new ArrayList<>();
        for (int thread = 0; thread < 3; thread++) {
            long offset = 0x8000 + thread * 8L;
            work.add(CompletableFuture.runAsync(() -> writeAndReadBack(regions, offset, running::get)));
        }
        for (int round = 0; round < 300; round++) {
            device.trap(true);
            eventually(() -> assertThat(device.trapStatus().inForce()).isTrue());
            if (round % 10 == 0) {
                assertOnlyMessagesWrite();
            }
            long switches = device.trapStatus().switches();
            device.trap(false);
            if (round % 2 == 0) {
                eventually(() -> assertThat(device.trapStatus().switches()).isGreaterThan(switches));
            }
        }
        running.set(false);

        CompletableFuture.allOf(work.toArray(CompletableFuture[]::new)).get(20, TimeUnit.SECONDS);
    }

    @Test
    void aRegionThatCannotBeLookedAtIsReachedByMessageUntilTheNextChange() {
        MappedRegions regions = open(REGION, FakeDevice.WHOLE);
        device.afterInfo = info -> {
            throw new VfioException(Errno.EIO, "provoked by a test");
        };

        device.trap(true);

        eventually(() -> assertThat(device.trapStatus().inForce()).isTrue());
        assertThat(regions.isMapped(REGION, DISABLABLE)).isFalse();
        assertThat(regions.isMapped(REGION, DIRECT)).isFalse();
        assertThat(regions.isMapped(FakeDevice.WHOLE, 0)).isFalse();
        regions.writeRegister(REGION, DISABLABLE, 4, 2);
        assertThat(messages).hasValue(1);

        device.afterInfo = info -> info;
        device.trap(false);
        eventually(() -> assertThat(device.trapStatus().switches()).isEqualTo(2));
        assertThat(regions.isMapped(REGION, DISABLABLE)).isTrue();
        assertThat(regions.isMapped(FakeDevice.WHOLE, 0)).isTrue();
    }

    static Stream<List<SparseArea>> impossibleAreas() {
        return Stream.of(
                List.of(SparseArea.direct(0x1000, 0x1000), SparseArea.direct(0x8000, 0x1_0000)),
                List.of(SparseArea.direct(0x1000, 0x1000), SparseArea.direct(-0x1000, 0x1000)),
                List.of(SparseArea.direct(0x1000, 0x1000), SparseArea.direct(0x1000, 0)),
                List.of(SparseArea.direct(0x1000, 0x1000), SparseArea.direct(0x1000, Long.MIN_VALUE)));
    }

    @ParameterizedTest
    @MethodSource("impossibleAreas")
    void aRegionWithAreasThatCannotBeIsReachedByMessage(List<SparseArea> areas) {
        MappedRegions regions = open(REGION, FakeDevice.WHOLE);
        int before = mappings();
        device.afterInfo = info -> info.index() == REGION ? info.withAreas(areas) : info;

        device.trap(true);

        eventually(() -> assertThat(device.trapStatus().inForce()).isTrue());
        assertThat(regions.isMapped(REGION, DIRECT)).isFalse();
        assertThat(regions.isMapped(FakeDevice.WHOLE, 0)).isTrue();
        assertThat(mappings()).isEqualTo(before - 4);
    }

    @Test
    void mapsNothingMoreIfTheServerCannotBeTold() {
        MappedRegions regions = open(REGION, FakeDevice.WHOLE);
        device.afterInfo = info -> {
            device.failure = new VfioException(Errno.EIO, "provoked by a test");
            return info;
        };

        device.trap(true);

        eventually(() -> assertThat(regions.isMapped(FakeDevice.WHOLE, 0)).isFalse());
        eventually(() -> assertThat(TestServer.threads()).noneMatch(name -> name.contains("follower")));
        assertThat(regions.isMapped(REGION, DIRECT)).isFalse();
        assertThat(device.trapStatus().inForce()).isFalse();
        regions.writeRegister(REGION, DISABLABLE, 4, 2);
        assertThat(messages).hasValue(1);
        device.failure = null;
    }

    @Test
    void closeUnmapsAndDisconnects() {
        int before = mappings();
        MappedRegions regions = open(REGION, FakeDevice.WHOLE);
        assertThat(device.trapSwitch.connected()).isTrue();

        regions.close();
        regions.close();

        assertThat(mappings()).isEqualTo(before);
        assertThat(device.trapSwitch.connected()).isFalse();
        assertThat(TestServer.threads()).noneMatch(name -> name.contains("follower"));
        regions.writeRegister(REGION, DIRECT, 4, 8);
        assertThat(memory.getInt(DIRECT)).isEqualTo(8);
        assertThat(messages).hasValue(1);
    }

    /** The thread is inside a request for as long as the server likes; what that brings is not mapped any more. */
    @Test
    void closesWhileTheServerDoesNotAnswer() throws Exception {
        int before = mappings();
        MappedRegions regions = open(REGION);
        CountDownLatch looking = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        device.afterInfo = info -> {
            looking.countDown();
            awaitQuietly(go);
            return info;
        };
        device.trap(true);
        assertThat(looking.await(20, TimeUnit.SECONDS)).isTrue();
        device.trap(false);

        regions.close();

        assertThat(mappings()).isEqualTo(before);
        go.countDown();
        eventually(() -> assertThat(TestServer.threads()).noneMatch(name -> name.contains("follower")));
        assertThat(mappings()).isEqualTo(before);
        assertThat(regions.isMapped(REGION, DIRECT)).isFalse();
    }

    @Test
    void aClientThatKnowsNoDynamicTrapMapsWhatStays() {
        client.close();
        VfioUserClient other = server.connect();
        MappedRegions regions = open(other, REGION);

        assertThat(regions.isMapped(REGION, DIRECT)).isTrue();
        assertThat(regions.isMapped(REGION, DISABLABLE)).isFalse();
        assertThat(TestServer.threads()).noneMatch(name -> name.contains("follower"));
        assertThat(server.device().events).isEmpty();
    }

    @Test
    void leavesNothingBehindIfItCannotBeOpened() {
        int before = mappings();
        int descriptors = TestServer.descriptors();

        assertFails(Errno.EINVAL, () -> MappedRegions.open(client, FakeDevice.WHOLE, 77));

        assertThat(mappings()).isEqualTo(before);
        assertThat(device.trapSwitch.connected()).isFalse();
        // The client keeps the descriptor of each region that it was told about.
        assertThat(TestServer.descriptors()).isEqualTo(descriptors + 1);
    }

    @Test
    void aServerThatLeavesIsNoticedByMessages() {
        MappedRegions regions = open(REGION);

        server.stop();

        regions.writeRegister(REGION, DIRECT, 4, 1);
        assertFails(Errno.ENOTCONN, () -> regions.writeRegister(REGION, TRAPPED, 4, 1));
        regions.close();
    }

    private MappedRegions open(int... indexes) {
        return open(client, indexes);
    }

    private MappedRegions open(VfioUserClient with, int... indexes) {
        MappedRegions regions = MappedRegions.open(with, indexes);
        opened.add(regions);
        return regions;
    }

    private static long mask(int width) {
        return -1L >>> (Long.SIZE - width * Byte.SIZE);
    }

    private long acknowledgements() {
        return device.events.stream().filter("act 5 UNMASK 0+1"::equals).count();
    }

    /** With the server's thread held up in a write, nothing but a mapping could change the memory. */
    private void assertOnlyMessagesWrite() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        device.beforeWrite = access -> {
            inside.countDown();
            awaitQuietly(go);
        };
        assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();
        long[] first = {memory.getLong(0x8000), memory.getLong(0x8008), memory.getLong(0x8010)};
        for (int look = 0; look < 10_000; look++) {
            for (int word = 0; word < first.length; word++) {
                assertThat(memory.getLong(0x8000 + word * 8L) == first[word])
                        .as("memory is as it was while no message is served")
                        .isTrue();
            }
        }
        device.beforeWrite = access -> {};
        go.countDown();
    }

    private static void writeAndReadBack(MappedRegions regions, long offset, BooleanSupplier running) {
        for (long value = 1; running.getAsBoolean(); value++) {
            regions.writeRegister(REGION, offset, 8, value);
            if (regions.readRegister(REGION, offset, 8) != value) {
                throw new AssertionError("write " + value + " at " + offset + " was lost");
            }
        }
    }

    /** Mappings of regions in this process. A channel would keep a socket of its own open for good, so it is a reader. */
    private static int mappings() {
        try (BufferedReader reader = new BufferedReader(new FileReader("/proc/self/maps", StandardCharsets.UTF_8))) {
            return (int)
                    reader.lines().filter(line -> line.contains("fake region")).count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
