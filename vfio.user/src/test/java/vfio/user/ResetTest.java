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

class ResetTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @Test
    void resetsTheDevice() {
        client.reset();

        assertThat(server.device().events).containsExactly("reset");
    }

    @Test
    void refusesIfTheDeviceCannot() {
        server.device().resettable = false;

        assertRefused(client, Command.DEVICE_RESET, Data.none(), Errno.EOPNOTSUPP);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 16})
    void refusesData(int size) {
        assertRefused(client, Command.DEVICE_RESET, new byte[size], Errno.EINVAL);
        assertThat(server.device().events).isEmpty();
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(client, Command.DEVICE_RESET, Data.none(), Errno.EINVAL, memory.descriptor());
    }
}
