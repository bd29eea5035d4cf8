package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.user.client.DeviceInfo;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class GetInfoTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @Test
    void tellsNumbersOfRegionsAndInterrupts() {
        assertThat(client.info()).isEqualTo(new DeviceInfo(true, true, 11, 5));
    }

    @Test
    void saysWhenTheDeviceCannotBeReset() {
        server.device().resettable = false;

        assertThat(client.info().resettable()).isFalse();
    }

    @Test
    void repliesWithTheNeededSize() {
        try (Reply reply = client.request(
                Command.DEVICE_GET_INFO.number(), new Data().u32(4096, 0, 0, 0).bytes(), List.of())) {
            assertThat(reply.error()).isFalse();
            assertThat(reply.data().capacity()).isEqualTo(16);
            assertThat(reply.data().getInt(0)).isEqualTo(16);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 15, 17, 4096})
    void refusesAnotherSize(int size) {
        byte[] data = new byte[size];
        if (size > 0) {
            data[0] = 16;
        }
        assertRefused(client, Command.DEVICE_GET_INFO, data, Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 15})
    void refusesTooLittleRoom(int room) {
        assertRefused(
                client, Command.DEVICE_GET_INFO, new Data().u32(room, 0, 0, 0).bytes(), Errno.EINVAL);
    }

    @Test
    void takesARoomBeyondTheSignedRange() {
        try (Reply reply = client.request(
                Command.DEVICE_GET_INFO.number(), new Data().u32(-1, 0, 0, 0).bytes(), List.of())) {
            assertThat(reply.error()).isFalse();
        }
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(
                client,
                Command.DEVICE_GET_INFO,
                new Data().u32(16, 0, 0, 0).bytes(),
                Errno.EINVAL,
                memory.descriptor());
    }
}
