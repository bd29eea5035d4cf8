package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class DmaUnmapTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();
    final MappedMemory memory = server.own(MappedMemory.allocate("guest", 0x4000));

    @Test
    void unmapsAndReleasesTheMemory() {
        int before = TestServer.descriptors();
        client.dmaMap(0x10_0000, memory, true, true);
        assertThat(TestServer.descriptors()).isEqualTo(before + 1);

        client.dmaUnmap(0x10_0000, 0x4000);

        assertThat(server.device().mappings()).isEmpty();
        TestServer.awaitDescriptors(before);
    }

    @Test
    void repliesWithTheWholeEntry() {
        client.dmaMap(0x10_0000, memory, true, true);

        try (Reply reply = client.request(Command.DMA_UNMAP.number(), request(64, 0, 0x10_0000, 0x4000), List.of())) {
            assertThat(reply.data().capacity()).isEqualTo(24);
            assertThat(reply.data().getInt(0)).isEqualTo(24);
            assertThat(reply.data().getInt(4)).isZero();
            assertThat(reply.data().getLong(8)).isEqualTo(0x10_0000);
            assertThat(reply.data().getLong(16)).isEqualTo(0x4000);
        }
    }

    @ParameterizedTest
    @CsvSource({"0x100000, 0x3000", "0x101000, 0x3000", "0, 0x4000", "0, 0"})
    void refusesWhereNothingIsOrAMappingWouldBeCut(String address, String size) {
        client.dmaMap(0x10_0000, memory, true, true);

        assertRefused(client, Command.DMA_UNMAP, request(24, 0, Long.decode(address), Long.decode(size)), Errno.ENOENT);
        assertThat(server.device().mappings()).hasSize(1);
    }

    /** Behind an IOMMU of a guest, QEMU maps pages and unmaps ranges of them. */
    @ParameterizedTest
    @CsvSource({"0x100000, 0x5000", "0, 0x200000", "0, -4096"})
    void unmapsAllThatIsInTheRange(String address, String size) {
        client.dmaMap(0x10_0000, 0x1000, true, true);
        client.dmaMap(0x10_1000, memory, true, true);

        client.dmaUnmap(Long.decode(address), Long.decode(size));

        assertThat(server.device().mappings()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, -1})
    void refusesFlags(int flags) {
        client.dmaMap(0x10_0000, memory, true, true);

        assertRefused(client, Command.DMA_UNMAP, request(24, flags, 0x10_0000, 0x4000), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 23})
    void refusesTooLittleRoom(int argsz) {
        assertRefused(client, Command.DMA_UNMAP, request(argsz, 0, 0x10_0000, 0x4000), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 23, 25, 40})
    void refusesAnotherSize(int size) {
        byte[] data = new byte[size];
        if (size > 0) {
            data[0] = 24;
        }
        assertRefused(client, Command.DMA_UNMAP, data, Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        assertRefused(client, Command.DMA_UNMAP, request(24, 0, 0, 0x1000), Errno.EINVAL, memory.descriptor());
    }

    @Test
    void unmapsAll() {
        client.dmaMap(0x10_0000, memory, true, true);
        client.dmaMap(0, 0x1000, true, true);
        client.dmaMap(-0x1000, 0x1000, true, false);

        try (Reply reply = client.request(Command.DMA_UNMAP.number(), request(24, 2, 0, 0), List.of())) {
            assertThat(reply.errno()).isZero();
            assertThat(reply.data().capacity()).isEqualTo(24);
            assertThat(reply.data().getInt(4)).as("flags").isEqualTo(2);
        }
        assertThat(server.device().mappings()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"0x100000, 0x4000", "0, 0x4000", "0x100000, 0", "0, -1"})
    void refusesToUnmapAllOfARange(String address, String size) {
        client.dmaMap(0x10_0000, memory, true, true);

        assertRefused(client, Command.DMA_UNMAP, request(24, 2, Long.decode(address), Long.decode(size)), Errno.EINVAL);
        assertThat(server.device().mappings()).hasSize(1);
    }

    /** The device writes until it is unmapped. */
    @Test
    void unmapsAndReportsTheLastWrite() {
        FakeMigratable movable = logged();
        movable.dirty.set(0x101);
        movable.dirty.set(0x200);
        server.device().beforeUnmap = () -> movable.dirty.set(0x103);

        try (Reply reply = client.request(Command.DMA_UNMAP.number(), withBitmap(56, 0x4000, 4096, 16), List.of())) {
            assertThat(reply.errno()).isZero();
            assertThat(reply.data().capacity()).isEqualTo(56);
            assertThat(reply.data().getInt(0)).as("argsz").isEqualTo(56);
            assertThat(reply.data().getInt(4)).as("flags").isEqualTo(1);
            assertThat(reply.data().getLong(8)).isEqualTo(0x10_0000);
            assertThat(reply.data().getLong(16)).isEqualTo(0x4000);
            assertThat(reply.data().getLong(24)).as("pgsize").isEqualTo(4096);
            assertThat(reply.data().getLong(32)).as("size").isEqualTo(16);
            assertThat(reply.data().getLong(40)).as("bitmap").isEqualTo(0b1010);
            assertThat(reply.data().getLong(48)).as("more than there are pages").isZero();
        }
        assertThat(server.device().mappings()).isEmpty();
        assertThat(movable.dirty.cardinality()).as("what is not of the range").isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({
        "47, 0x4000, 4096, 8",
        "40, 0x4000, 4096, 8",
        "-1, 0x4000, 4096, 7",
        "-1, 0x4000, 4096, 0",
        "-1, 0x4000, 4096, -1",
        "-1, 0x4000, 4096, 1048577",
        "-1, 0x4000, 4096, 4294967304",
        "-1, 0x4000, 0, 8",
        "-1, 0x4000, 1, 1048576",
        "-1, 0x4000, 5000, 8",
        "-1, 0, 4096, 8",
        "-1, -1, 4096, 8",
        "-1, 0x4000, 8192, 8"
    })
    void refusesABitmapThatCannotBeHadAndUnmapsNothing(int argsz, String size, long pageSize, long bitmap) {
        logged();

        assertRefused(client, Command.DMA_UNMAP, withBitmap(argsz, Long.decode(size), pageSize, bitmap), Errno.EINVAL);
        assertThat(server.device().mappings()).hasSize(1);
    }

    @Test
    void refusesABitmapOfWhatIsNotMapped() {
        logged();

        assertRefused(client, Command.DMA_UNMAP, withBitmap(48, 0x3000, 4096, 8), Errno.ENOENT);
        assertThat(server.device().mappings()).hasSize(1);
    }

    @Test
    void refusesABitmapIfNothingIsLogged() {
        logged().logging = false;
        assertRefused(client, Command.DMA_UNMAP, withBitmap(48, 0x4000, 4096, 8), Errno.EINVAL);

        server.device().migration = null;
        assertRefused(client, Command.DMA_UNMAP, withBitmap(48, 0x4000, 4096, 8), Errno.ENOTTY);

        assertThat(server.device().mappings()).hasSize(1);
    }

    @Test
    void refusesAnotherSizeWithABitmap() {
        logged();
        byte[] request =
                new Data().raw(withBitmap(4096, 0x4000, 4096, 8)).u64(0).bytes();

        for (int size = 0; size <= request.length; size++) {
            if (size != 40) {
                assertRefused(client, Command.DMA_UNMAP, Arrays.copyOf(request, size), Errno.EINVAL);
            }
        }
    }

    @Test
    void reportsTheLargestBitmap() {
        logged();

        try (Reply reply =
                client.request(Command.DMA_UNMAP.number(), withBitmap(-1, 0x4000, 4096, 1 << 20), List.of())) {
            assertThat(reply.data().capacity()).isEqualTo(40 + (1 << 20));
        }
    }

    /** Something mapped that is being logged. */
    private FakeMigratable logged() {
        FakeMigratable movable = new FakeMigratable();
        movable.logging = true;
        server.device().migration = movable;
        client.dmaMap(0x10_0000, memory, true, true);
        return movable;
    }

    private static byte[] withBitmap(int argsz, long size, long pageSize, long bitmap) {
        return new Data().u32(argsz, 1).u64(0x10_0000, size, pageSize, bitmap).bytes();
    }

    private static byte[] request(int argsz, int flags, long address, long size) {
        return new Data().u32(argsz, flags).u64(address, size).bytes();
    }
}
