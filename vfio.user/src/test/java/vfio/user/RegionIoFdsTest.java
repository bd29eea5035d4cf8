package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class RegionIoFdsTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @Test
    void thereAreNone() {
        assertThat(client.regionIoFds(FakeDevice.SPARSE)).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {11, Integer.MAX_VALUE, -1})
    void refusesABadIndex(int index) {
        assertRefused(client, Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, index, 0), Errno.EINVAL);
    }

    @Test
    void refusesFlags() {
        assertRefused(client, Command.DEVICE_GET_REGION_IO_FDS, request(16, 1, 0, 0), Errno.EINVAL);
    }

    @Test
    void refusesACount() {
        assertRefused(client, Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 0, 1), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 15})
    void refusesTooLittleRoom(int room) {
        assertRefused(client, Command.DEVICE_GET_REGION_IO_FDS, request(room, 0, 0, 0), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 15, 17})
    void refusesAnotherSize(int size) {
        byte[] data = new byte[size];
        if (size > 0) {
            data[0] = 16;
        }
        assertRefused(client, Command.DEVICE_GET_REGION_IO_FDS, data, Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(
                client, Command.DEVICE_GET_REGION_IO_FDS, request(16, 0, 0, 0), Errno.EINVAL, memory.descriptor());
    }

    private static byte[] request(int room, int flags, int index, int count) {
        return new Data().u32(room, flags, index, count).bytes();
    }
}
