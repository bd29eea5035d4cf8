package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;

import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class DmaMapTest {
    private static final int READ_WRITE = 3;

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();
    final MappedMemory memory = server.own(MappedMemory.allocate("guest", 0x4000));

    @Test
    void mapsTheClientsFile() {
        client.dmaMap(0x10_0000, memory, true, true);

        DmaMapping mapping = server.device().mappings().get(0);
        memory.putInt(0x3ffc, 0x1234_5678);
        assertThat(mapping.iova()).isEqualTo(0x10_0000);
        assertThat(mapping.size()).isEqualTo(0x4000);
        assertThat(mapping.readable()).isTrue();
        assertThat(mapping.writable()).isTrue();
        assertThat(mapping.memory().getInt(0x3ffc)).isEqualTo(0x1234_5678);
    }

    @Test
    void honoursTheFileOffset() {
        memory.putInt(0x2000, 0x0bad_cafe);

        assertAccepted(request(32, READ_WRITE, 0x2000, 0, 0x1000));

        assertThat(server.device().mappings().get(0).memory().getInt(0)).isEqualTo(0x0bad_cafe);
    }

    @Test
    void keepsReadOnlyMemoryReadOnly() {
        client.dmaMap(0, memory, true, false);

        DmaMapping mapping = server.device().mappings().get(0);
        assertThat(mapping.writable()).isFalse();
        assertThatThrownBy(() -> mapping.memory().putByte(0, (byte) 1)).isInstanceOf(VfioException.class);
    }

    @Test
    void mapsMemoryWithoutAFile() {
        client.dmaMap(0xc_0000, 0x4_0000, true, false);

        assertThat(server.device().mappings()).containsExactly(new DmaMapping(0xc_0000, 0x4_0000, true, false, null));
    }

    @Test
    void refusesAnOverlapWithEexist() {
        client.dmaMap(0x10_0000, memory, true, true);

        assertRefused(
                client,
                Command.DMA_MAP,
                request(32, READ_WRITE, 0, 0x10_3000, 0x1000),
                Errno.EEXIST,
                memory.descriptor());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 31, 33, 64})
    void refusesAnotherSize(int size) {
        byte[] data = new byte[size];
        if (size > 0) {
            data[0] = 32;
        }
        assertRefused(client, Command.DMA_MAP, data, Errno.EINVAL, memory.descriptor());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 31})
    void refusesASmallerArgsz(int argsz) {
        assertRefused(
                client, Command.DMA_MAP, request(argsz, READ_WRITE, 0, 0, 0x1000), Errno.EINVAL, memory.descriptor());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 7, Integer.MIN_VALUE, -1})
    void refusesBadFlags(int flags) {
        assertRefused(client, Command.DMA_MAP, request(32, flags, 0, 0, 0x1000), Errno.EINVAL, memory.descriptor());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0", // nothing
        "0, 1", // less than a page
        "1, 4096", // not at a page
        "4096, 6000",
        "-4096, 8192", // beyond the end of the address space
        "-8192, -8192"
    })
    void refusesABadRange(long address, long size) {
        assertRefused(
                client, Command.DMA_MAP, request(32, READ_WRITE, 0, address, size), Errno.EINVAL, memory.descriptor());
        assertRefused(client, Command.DMA_MAP, request(32, READ_WRITE, 0, address, size), Errno.EINVAL);
    }

    @Test
    void takesTheLastPageOfTheAddressSpace() {
        client.dmaMap(-4096, 4096, true, true);

        assertThat(server.device().mappings().get(0).last()).isEqualTo(-1);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0x5000", // longer than the file
        "0x4000, 0x1000", // behind the file
        "0x7ffffffffffff000, 0x1000", // offset plus size overflows
        "-4096, 0x1000"
    })
    void refusesAFileThatDoesNotHaveThoseBytesAndKeepsNoDescriptor(String offset, String size) {
        int before = TestServer.descriptors();
        for (int round = 0; round < 3; round++) {
            assertRefused(
                    client,
                    Command.DMA_MAP,
                    request(32, READ_WRITE, Long.decode(offset), 0, Long.decode(size)),
                    Errno.EINVAL,
                    memory.descriptor());
        }
        TestServer.awaitDescriptors(before);
    }

    @Test
    void refusesADescriptorThatIsNoFile() {
        try (EventFd event = EventFd.create();
                var descriptor = event.duplicateDescriptor()) {
            assertRefused(client, Command.DMA_MAP, request(32, READ_WRITE, 0, 0, 0x1000), Errno.EINVAL, descriptor);
        }
    }

    @Test
    void refusesTwoDescriptors() {
        assertRefused(
                client,
                Command.DMA_MAP,
                request(32, READ_WRITE, 0, 0, 0x1000),
                Errno.EINVAL,
                memory.descriptor(),
                memory.descriptor());
    }

    @Test
    void keepsNoDescriptorIfTheDeviceRefuses() {
        server.device().failure = new VfioException(Errno.ENOSPC, "full");
        int before = TestServer.descriptors();

        assertRefused(
                client, Command.DMA_MAP, request(32, READ_WRITE, 0, 0, 0x1000), Errno.ENOSPC, memory.descriptor());

        TestServer.awaitDescriptors(before);
    }

    @Test
    void mapsWithoutAReply() {
        client.post(Command.DMA_MAP.number(), request(32, READ_WRITE, 0, 0, 0x1000), List.of(memory.descriptor()));

        assertAlive(client);
        assertThat(server.device().mappings()).hasSize(1);
    }

    private void assertAccepted(byte[] data) {
        try (Reply reply = client.request(Command.DMA_MAP.number(), data, List.of(memory.descriptor()))) {
            assertThat(reply.error()).isFalse();
            assertThat(reply.data().capacity()).isZero();
        }
    }

    private static byte[] request(int argsz, int flags, long offset, long address, long size) {
        return new Data().u32(argsz, flags).u64(offset, address, size).bytes();
    }
}
