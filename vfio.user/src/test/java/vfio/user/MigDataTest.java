package vfio.user;

import static vfio.user.TestServer.assertRefused;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class MigDataTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @ParameterizedTest
    @EnumSource(names = {"MIG_DATA_READ", "MIG_DATA_WRITE"})
    void theDeviceDoesNotMigrate(Command command) {
        assertRefused(client, command, new Data().u32(4096, 4088).bytes(), Errno.ENOTTY);
        assertRefused(client, command, new Data().u32(-1, -1).bytes(), Errno.ENOTTY);
        assertRefused(client, command, new Data().u32(16, 8).u64(0).bytes(), Errno.ENOTTY);
    }

    @ParameterizedTest
    @EnumSource(names = {"MIG_DATA_READ", "MIG_DATA_WRITE"})
    void refusesAShortMessage(Command command) {
        assertRefused(client, command, Data.none(), Errno.EINVAL);
        assertRefused(client, command, new byte[7], Errno.EINVAL);
    }

    @ParameterizedTest
    @EnumSource(names = {"MIG_DATA_READ", "MIG_DATA_WRITE"})
    void refusesDescriptors(Command command) {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(client, command, new Data().u32(16, 8).bytes(), Errno.EINVAL, memory.descriptor());
    }
}
