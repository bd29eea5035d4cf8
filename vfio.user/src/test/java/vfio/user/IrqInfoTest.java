package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptInfo;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class IrqInfoTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4})
    void describesEachIndex(int index) {
        assertThat(client.irqInfo(index)).isEqualTo(server.device().interruptInfo(index));
    }

    @Test
    void describesTheTrapInterruptToClientsThatKnowIt() {
        assertThat(client.info().interruptCount()).isEqualTo(5);

        client.close();
        VfioUserClient knowing = server.connect(ClientOptions.DEFAULT.withDynamicTrap(true));

        assertThat(knowing.info().interruptCount()).isEqualTo(6);
        assertThat(knowing.irqInfo(5)).isEqualTo(new InterruptInfo(5, 1, FakeTrapSwitch.INTERRUPT.flags()));
    }

    @ParameterizedTest
    @ValueSource(ints = {5, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void refusesABadIndex(int index) {
        assertRefused(client, Command.DEVICE_GET_IRQ_INFO, request(16, index), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 15})
    void refusesTooLittleRoom(int room) {
        assertRefused(client, Command.DEVICE_GET_IRQ_INFO, request(room, 0), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 15, 17, 100})
    void refusesAnotherSize(int size) {
        byte[] data = new byte[size];
        if (size > 0) {
            data[0] = 16;
        }
        assertRefused(client, Command.DEVICE_GET_IRQ_INFO, data, Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(client, Command.DEVICE_GET_IRQ_INFO, request(16, 0), Errno.EINVAL, memory.descriptor());
    }

    private static byte[] request(int room, int index) {
        return new Data().u32(room, 0, index, 0).bytes();
    }
}
