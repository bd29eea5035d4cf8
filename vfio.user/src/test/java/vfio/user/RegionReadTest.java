package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertRefused;

import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class RegionReadTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @ParameterizedTest
    @CsvSource({"1, 0xef", "2, 0xcdef", "4, 0x89abcdef", "8, 0x0123456789abcdef"})
    void readsRegisters(int width, String value) {
        server.device().memory(FakeDevice.TRAPPED).putLong(0x1000, 0x0123_4567_89ab_cdefL);

        assertThat(client.readRegister(FakeDevice.TRAPPED, 0x1000, width)).isEqualTo(Long.decode(value));
    }

    @Test
    void echoesTheRequest() {
        server.device().memory(FakeDevice.TRAPPED).putInt(16, 0x1234_5678);

        try (Reply reply =
                client.request(Command.REGION_READ.number(), request(16, FakeDevice.TRAPPED, 4), List.of())) {
            assertThat(reply.data().capacity()).isEqualTo(20);
            assertThat(reply.data().getLong(0)).isEqualTo(16);
            assertThat(reply.data().getInt(8)).isEqualTo(FakeDevice.TRAPPED);
            assertThat(reply.data().getInt(12)).isEqualTo(4);
            assertThat(reply.data().getInt(16)).isEqualTo(0x1234_5678);
        }
    }

    @Test
    void readsTheLargestTransfer() {
        server.device().memory(FakeDevice.TRAPPED).putByte(0xf_ffff, (byte) 0x5a);

        byte[] data = client.read(FakeDevice.TRAPPED, 0, 1 << 20);

        assertThat(data[0xf_ffff]).isEqualTo((byte) 0x5a);
        assertThat(server.device().events).hasSize(1);
    }

    @Test
    void clientSplitsWhatIsLarger() {
        byte[] data = client.read(FakeDevice.TRAPPED, 0, (2 << 20) + 3);

        assertThat(data).hasSize((2 << 20) + 3);
        assertThat(server.device().events).hasSize(3);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0, 0x100001", "0, 0x7fffffff", "0, 0x80000000", "0, 0xffffffff"})
    void refusesABadCount(long offset, String count) {
        assertRefused(
                client,
                Command.REGION_READ,
                request(offset, FakeDevice.TRAPPED, Long.decode(count).intValue()),
                Errno.EINVAL);
    }

    @Test
    void refusesMoreThanTheClientAgreedTo() {
        client.close();
        TestServer.eventually(() -> assertThat(server.device().closed).isTrue());
        VfioUserClient modest = server.connect(ClientOptions.DEFAULT.withMaxDataXferSize(4096));

        assertThat(modest.read(FakeDevice.TRAPPED, 0, 4096)).hasSize(4096);
        assertRefused(modest, Command.REGION_READ, request(0, FakeDevice.TRAPPED, 4097), Errno.EINVAL);
    }

    @ParameterizedTest
    @CsvSource({
        "0x3ffffd, 4",
        "0x400000, 1",
        "-1, 1",
        "-4, 8",
        "0x7fffffffffffffff, 4",
        "0x7ffffffffffffffc, 8",
        "0xfff00000, 4"
    })
    void refusesAnOffsetOutsideTheRegion(String offset, int count) {
        assertRefused(
                client, Command.REGION_READ, request(Long.decode(offset), FakeDevice.TRAPPED, count), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {FakeDevice.ABSENT, 11, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void refusesABadRegion(int region) {
        assertRefused(client, Command.REGION_READ, request(0, region, 4), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 15, 17, 20})
    void refusesAnotherSize(int size) {
        assertRefused(client, Command.REGION_READ, new byte[size], Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(
                client, Command.REGION_READ, request(0, FakeDevice.TRAPPED, 4), Errno.EINVAL, memory.descriptor());
    }

    @Test
    void passesTheErrnoOfTheDeviceOn() {
        server.device().beforeRead = access -> {
            throw new VfioException(Errno.ENXIO, "surprise");
        };

        assertThatThrownBy(() -> client.readInt(FakeDevice.TRAPPED, 0))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENXIO));
        TestServer.assertAlive(client);
    }

    @Test
    void turnsADefectOfTheDeviceIntoEio() {
        server.device().beforeRead = access -> {
            throw new IllegalStateException("defect, provoked by a test");
        };

        assertRefused(client, Command.REGION_READ, request(0, FakeDevice.TRAPPED, 4), Errno.EIO);
    }

    private static byte[] request(long offset, int region, int count) {
        return new Data().u64(offset).u32(region, count).bytes();
    }
}
