package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class DeviceFeatureTest {
    private static final int GET = 1 << 16;
    private static final int SET = 1 << 17;
    private static final int PROBE = 1 << 18;

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @ParameterizedTest
    @ValueSource(ints = {GET | 1, PROBE | GET | 1, SET | 2, GET | 8, SET | 6, 0xffff, -1})
    void thereAreNone(int flags) {
        assertThatThrownBy(() -> client.feature(flags, new byte[8], 8))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOTTY));
        assertAlive(client);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 7})
    void refusesAShortMessage(int size) {
        assertRefused(client, Command.DEVICE_FEATURE, new byte[size], Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(
                client, Command.DEVICE_FEATURE, new Data().u32(8, GET | 1).bytes(), Errno.EINVAL, memory.descriptor());
    }
}
