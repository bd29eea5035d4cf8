package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import migration.region.MigrationRegion.Layout;
import migration.region.SavedState.Origin;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.testing.FakeMemory;

class MigrationRegionTest {
    private static final long PAGE = 4096;
    private static final long PAGES = 10_000_000;
    private static final Origin ORIGIN =
            new Origin(new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2), "fake", 1, 4096);

    private static final int STATE = 0;
    private static final int PENDING_BYTES = 8;
    private static final int DATA_OFFSET = 16;
    private static final int DATA_SIZE = 24;
    private static final int START_PFN = 32;
    private static final int PAGE_SIZE = 40;
    private static final int TOTAL_PFNS = 48;
    private static final int COPIED_PFNS = 56;

    private static final int STOP = 0;
    private static final int RUNNING = 1;
    private static final int STOP_AND_COPY = 2;
    private static final int PRE_COPY = 3;
    private static final int RESUMING = 4;
    private static final int ERROR = 6;

    /** A device with its region, as a client sees it. */
    private static final class Client {
        final FakeDevice device;
        final FakeContext context = new FakeContext();
        final MigrationRegion region;
        private final ByteBuffer buffer = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);

        Client(Layout layout, byte... state) {
            this(layout, false, state);
        }

        /** @param maps whether it maps the data section, and accesses it nowhere else */
        Client(Layout layout, boolean maps, byte... state) {
            device = new FakeDevice(new DirtyBitmap(PAGE, List.of(new DmaRange(0, PAGES * PAGE))), state);
            Migration migration = new Migration(ORIGIN, true, device);
            region = maps
                    ? MigrationRegion.addMappable(context, migration, layout, FakeMemory::allocate)
                    : MigrationRegion.add(context, migration, layout);
        }

        long read(int offset, int width) {
            RegionAccess access = access(offset, width);
            region.read(access);
            return access.value();
        }

        void write(int offset, int width, long value) {
            RegionAccess access = access(offset, width);
            access.setValue(value);
            region.write(access);
        }

        int state() {
            return (int) read(STATE, 4);
        }

        void state(int bits) {
            write(STATE, 4, bits);
        }

        byte[] data(long offset, int length) {
            byte[] bytes = new byte[length];
            region.memory()
                    .ifPresentOrElse(
                            memory -> memory.get(offset, ByteBuffer.wrap(bytes)), () -> trappedData(offset, bytes));
            return bytes;
        }

        void trappedData(long offset, byte[] bytes) {
            region.read(access((int) offset, bytes.length));
            buffer.get(0, bytes);
        }

        void data(long offset, byte[] bytes) {
            region.memory()
                    .ifPresentOrElse(
                            memory -> memory.put(offset, ByteBuffer.wrap(bytes)), () -> trapData(offset, bytes));
        }

        void trapData(long offset, byte[] bytes) {
            buffer.put(0, bytes);
            region.write(access((int) offset, bytes.length));
        }

        private RegionAccess access(int offset, int width) {
            return new RegionAccess().wrap(FakeContext.INDEX, offset, width, buffer, 0);
        }
    }

    @Test
    void isAddedWithTypeAndSubtype() {
        Client client = new Client(Layout.LINUX_5_8);
        assertThat(client.context.added)
                .containsExactly(new RegionInfo(
                        0, 4096 + (1 << 20), EnumSet.of(RegionInfo.Flag.READ, RegionInfo.Flag.WRITE), List.of(), 3, 1));
        assertThat(client.region.index()).isEqualTo(FakeContext.INDEX);
        assertThat(client.state()).isEqualTo(RUNNING);
    }

    @Test
    void dataSectionAloneIsMappable() {
        Client client = new Client(Layout.LINUX_5_8, true);
        RegionInfo added = client.context.added.get(0);
        assertThat(added.flags()).contains(RegionInfo.Flag.MMAP);
        assertThat(added.mappableAreas()).containsExactly(SparseArea.direct(4096, 1 << 20));
        SharedMemory memory = client.region.memory().orElseThrow();
        assertThat(memory.size()).isEqualTo(added.size());
        client.region.close();
        assertThatThrownBy(() -> memory.getByte(4096)).isInstanceOf(VfioException.class);
    }

    @Test
    void mappedAndTrappedDataAreTheSame() {
        Client client = new Client(Layout.LINUX_5_8, true, random(3000));
        client.state(STOP_AND_COPY);
        byte[] trapped = new byte[(int) client.read(DATA_SIZE, 8)];
        client.trappedData(4096, trapped);
        assertThat(client.data(4096, trapped.length)).isEqualTo(trapped);

        client.state(STOP);
        client.state(RESUMING);
        client.trapData(5000, new byte[] {1, 2, 3});
        assertThat(client.data(5000, 3)).containsExactly(1, 2, 3);
    }

    @Test
    void clientThatSpoilsWhatIsShownSpoilsNothingElse() {
        Client client = new Client(Layout.PROPOSAL_2019, true, random(100));
        client.state(PRE_COPY);
        client.state(STOP_AND_COPY);
        int length = (int) client.read(DATA_SIZE, 8);
        byte[] state = client.data(4096, length);
        client.data(4096, new byte[length]);
        dirtyPages(client);

        assertThat(client.read(DATA_SIZE, 8)).isEqualTo(length);
        assertThat(client.data(4096, length)).isEqualTo(state);
    }

    /** As the comments in Linux 5.8 say. */
    @ParameterizedTest
    @CsvSource({"0, false", "1, false", "5000, false", "1048576, false", "3000000, false", "5000, true", "3000000, true"
    })
    void clientOfLinux58Migrates(int size, boolean maps) {
        Client source = new Client(Layout.LINUX_5_8, maps, random(size));
        Client target = new Client(Layout.LINUX_5_8, maps);
        target.state(STOP);
        target.state(RESUMING);
        source.state(PRE_COPY);
        assertThat(source.read(PENDING_BYTES, 8)).isZero();
        source.state(STOP_AND_COPY);
        for (long pending = source.read(PENDING_BYTES, 8); pending > 0; pending = source.read(PENDING_BYTES, 8)) {
            long offset = source.read(DATA_OFFSET, 8);
            int length = (int) source.read(DATA_SIZE, 8);
            assertThat(length).isPositive().isLessThanOrEqualTo((int) pending);
            assertThat(source.read(DATA_SIZE, 8)).as("the same again").isEqualTo(length);
            byte[] bytes = source.data(offset, length);
            assertThat(source.data(offset, length)).as("the same again").isEqualTo(bytes);

            target.data(target.read(DATA_OFFSET, 8), bytes);
            target.write(DATA_SIZE, 8, length);
        }
        source.state(STOP);
        target.state(RUNNING);

        assertThat(target.device.state).isEqualTo(source.device.state);
        assertThat(source.device.calls).containsExactly("stop", "save");
        assertThat(target.device.calls).containsExactly("stop", "load", "run");
    }

    /** As QEMU did with version 8 of its patches, in August 2019. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void clientOf2019Migrates(boolean maps) {
        Client source = new Client(Layout.PROPOSAL_2019, maps, random(2_500_000));
        Client target = new Client(Layout.PROPOSAL_2019, maps);
        source.state(PRE_COPY);
        Random random = new Random(7);
        BitSet all = new BitSet();
        for (int round = 0; round < 3; round++) {
            BitSet written = new BitSet();
            for (int page = 0; page < 1000; page++) {
                int number = random.nextInt((int) PAGES);
                source.device.dirty.mark(number * PAGE, 1);
                written.set(number);
            }
            assertThat(dirtyPages(source)).isEqualTo(written);
            all.or(written);
        }
        source.state(STOP_AND_COPY);
        source.device.dirty.mark(77 * PAGE, 1);
        assertThat(dirtyPages(source).get(77)).isTrue();
        target.state(RESUMING);
        while (source.read(PENDING_BYTES, 8) > 0) {
            long offset = source.read(DATA_OFFSET, 8);
            int length = (int) source.read(DATA_SIZE, 8);
            target.read(DATA_OFFSET, 8);
            target.data(offset, source.data(offset, length));
            target.write(DATA_SIZE, 8, length);
        }
        source.state(STOP);
        target.state(RUNNING);

        assertThat(target.device.state).isEqualTo(source.device.state);
        assertThat(dirtyPages(source).cardinality())
                .as("pages once nobody tracks")
                .isEqualTo((int) PAGES);
    }

    @Test
    void partOfTheStateIsNotLostToABitmap() {
        Client client = new Client(Layout.PROPOSAL_2019, random(100));
        client.state(PRE_COPY);
        client.state(STOP_AND_COPY);
        long length = client.read(DATA_SIZE, 8);
        byte[] bytes = client.data(4096, (int) length);
        client.device.dirty.mark(0, 1);
        dirtyPages(client);

        assertThat(client.read(DATA_SIZE, 8)).isEqualTo(length);
        assertThat(client.data(4096, (int) length)).isEqualTo(bytes);
        assertThat(client.read(PENDING_BYTES, 8)).isZero();
    }

    @Test
    void everyAccessThatIsNoFieldIsRefused() {
        for (Layout layout : Layout.values()) {
            Client client = new Client(layout);
            Set<String> readable = layout == Layout.LINUX_5_8
                    ? Set.of("0/4", "4/4", "8/8", "16/8", "24/8")
                    : Set.of("0/4", "4/4", "8/8", "16/8", "24/8", "56/8");
            for (int offset = 0; offset < 80; offset++) {
                for (int width : new int[] {1, 2, 4, 8}) {
                    String field = offset + "/" + width;
                    int at = offset;
                    if (readable.contains(field)) {
                        client.read(offset, width);
                    } else {
                        boolean writeOnly = layout == Layout.PROPOSAL_2019
                                && Set.of("32/8", "40/8", "48/8").contains(field);
                        assertFails(writeOnly ? Errno.EACCES : Errno.EINVAL, () -> client.read(at, width));
                    }
                }
            }
        }
    }

    @Test
    void whatCanOnlyBeReadIsNotWritten() {
        Client client = new Client(Layout.PROPOSAL_2019);
        for (int offset : new int[] {PENDING_BYTES, DATA_OFFSET, COPIED_PFNS}) {
            assertFails(Errno.EACCES, () -> client.write(offset, 8, 0));
        }
        client.write(4, 4, 0xffff_ffffL);
        assertThat(client.read(4, 4)).isZero();
        assertFails(Errno.EINVAL, () -> client.data(4096, new byte[1]));
        assertFails(Errno.EINVAL, () -> client.write(DATA_SIZE, 8, 0));
    }

    @ParameterizedTest
    @EnumSource
    void statesThatMakeNoSenseAreRefused(Layout layout) {
        Client client = new Client(layout);
        for (int bits : new int[] {5, ERROR, 7, 8, 9, 0x8000_0001}) {
            assertFails(Errno.EINVAL, () -> client.state(bits));
            assertThat(client.state()).isEqualTo(RUNNING);
        }
        client.state(STOP_AND_COPY);
        assertFails(Errno.EINVAL, () -> client.state(PRE_COPY));
        assertThat(client.state()).isEqualTo(STOP_AND_COPY);
    }

    @Test
    void refusedStateLeavesTheDeviceAsItWas() {
        Client client = new Client(Layout.LINUX_5_8, random(10));
        byte[] before = client.device.state;
        client.state(RESUMING);
        client.data(4096, new byte[] {1, 2, 3});
        client.write(DATA_SIZE, 8, 3);
        assertFails(Errno.EPROTO, () -> client.state(RUNNING));
        assertThat(client.state()).isEqualTo(RESUMING);
        assertThat(client.device.calls).doesNotContain("load");

        client.state(RUNNING);
        assertThat(client.device.state).isEqualTo(before);
        assertThat(client.device.calls).containsExactly("stop", "run");
    }

    @Test
    void anotherStateMayFollowARefusedOne() {
        Client source = new Client(Layout.LINUX_5_8, random(10));
        Client target = new Client(Layout.LINUX_5_8);
        source.state(STOP_AND_COPY);
        byte[] good = source.data(4096, (int) source.read(DATA_SIZE, 8));
        target.state(RESUMING);
        target.data(4096, new byte[] {1, 2, 3});
        target.write(DATA_SIZE, 8, 3);
        assertFails(Errno.EPROTO, () -> target.state(RUNNING));

        target.data(4096, good);
        target.write(DATA_SIZE, 8, good.length);
        target.state(RUNNING);
        assertThat(target.device.state).isEqualTo(source.device.state);
    }

    @Test
    void deviceThatFailsOnAStateIsInError() {
        Client source = new Client(Layout.LINUX_5_8, random(10));
        Client target = new Client(Layout.LINUX_5_8);
        source.state(STOP_AND_COPY);
        target.state(RESUMING);
        int length = (int) source.read(DATA_SIZE, 8);
        target.data(4096, source.data(4096, length));
        target.write(DATA_SIZE, 8, length);
        target.device.broken = "load";
        assertFails(Errno.EIO, () -> target.state(STOP));
        assertThat(target.state()).isEqualTo(ERROR);
        assertFails(Errno.EINVAL, () -> target.state(RUNNING));
    }

    @Test
    void deviceThatCannotTrackRunsOn() {
        Client client = new Client(Layout.PROPOSAL_2019, random(10));
        client.device.broken = "track";
        assertFails(Errno.EIO, () -> client.state(PRE_COPY));
        assertThat(client.state()).isEqualTo(RUNNING);
    }

    @Test
    void deviceThatCannotBeSavedRunsOn() {
        Client client = new Client(Layout.PROPOSAL_2019, random(10));
        client.state(PRE_COPY);
        client.device.broken = "save";
        assertFails(Errno.EIO, () -> client.state(STOP_AND_COPY));
        assertThat(client.state()).isEqualTo(PRE_COPY);
        assertThat(client.device.calls).containsExactly("track", "stop", "save", "run");
        client.state(RUNNING);
        assertThat(client.device.calls).endsWith("untrack");
    }

    /** The loop over copied_pfns. */
    private static BitSet dirtyPages(Client client) {
        BitSet pages = new BitSet();
        client.write(START_PFN, 8, 0);
        client.write(PAGE_SIZE, 8, PAGE);
        client.write(TOTAL_PFNS, 8, PAGES);
        long done = 0;
        for (long copied = client.read(COPIED_PFNS, 8); copied != 0; copied = client.read(COPIED_PFNS, 8)) {
            if (copied == MigrationRegion.DIRTY_PFNS_ALL) {
                pages.set((int) done, (int) PAGES);
                break;
            }
            byte[] bitmap = client.data(client.read(DATA_OFFSET, 8), (int) (copied + 7) / 8);
            BitSet part = BitSet.valueOf(bitmap);
            for (int bit = part.nextSetBit(0); bit >= 0; bit = part.nextSetBit(bit + 1)) {
                pages.set((int) done + bit);
            }
            done += copied;
        }
        return pages;
    }

    private static byte[] random(int size) {
        byte[] bytes = new byte[size];
        new Random(size).nextBytes(bytes);
        return bytes;
    }

    private static void assertFails(Errno errno, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(errno));
    }
}
