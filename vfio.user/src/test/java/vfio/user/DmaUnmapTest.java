package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

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
    @CsvSource({"0x100000, 0x3000", "0x101000, 0x3000", "0x100000, 0x5000", "0, -4096", "0, 0", "-1, -1"})
    void refusesWhatIsNotExactlyAMapping(String address, String size) {
        client.dmaMap(0x10_0000, memory, true, true);

        assertRefused(client, Command.DMA_UNMAP, request(24, 0, Long.decode(address), Long.decode(size)), Errno.ENOENT);
        assertThat(server.device().mappings()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, -1})
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

    private static byte[] request(int argsz, int flags, long address, long size) {
        return new Data().u32(argsz, flags).u64(address, size).bytes();
    }
}
