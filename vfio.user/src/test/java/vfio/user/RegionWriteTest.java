package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;

import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class RegionWriteTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @ParameterizedTest
    @CsvSource({"1, 0xef", "2, 0xcdef", "4, 0x89abcdef", "8, 0x0123456789abcdef"})
    void writesRegistersAndNothingBeside(int width, String value) {
        client.writeRegister(FakeDevice.TRAPPED, 0x1000, width, 0x0123_4567_89ab_cdefL);

        assertThat(server.device().memory(FakeDevice.TRAPPED).getLong(0x1000)).isEqualTo(Long.decode(value));
    }

    @Test
    void echoesTheRequestWithoutTheData() {
        try (Reply reply = client.request(
                Command.REGION_WRITE.number(), request(16, FakeDevice.TRAPPED, 4, new byte[4]), List.of())) {
            assertThat(reply.error()).isFalse();
            assertThat(reply.data().capacity()).isEqualTo(16);
            assertThat(reply.data().getLong(0)).isEqualTo(16);
            assertThat(reply.data().getInt(8)).isEqualTo(FakeDevice.TRAPPED);
            assertThat(reply.data().getInt(12)).isEqualTo(4);
        }
    }

    @Test
    void writesWithoutAReplyBeforeWhatComesNext() {
        for (int value = 1; value <= 1000; value++) {
            client.writeRegisterPosted(FakeDevice.TRAPPED, 0, 4, value);
        }
        assertThat(client.readInt(FakeDevice.TRAPPED, 0)).isEqualTo(1000);
    }

    @Test
    void saysNothingAboutAPostedWriteThatFails() {
        client.writeRegisterPosted(FakeDevice.READ_ONLY, 0, 4, 1);
        client.writeRegisterPosted(99, 0, 4, 1);

        assertAlive(client);
    }

    @Test
    void writesTheLargestTransferAndTheClientSplitsMore() {
        byte[] data = new byte[(1 << 20) + 1];
        data[1 << 20] = 0x5a;

        client.write(FakeDevice.TRAPPED, 0, ByteBuffer.wrap(data));

        assertThat(server.device().memory(FakeDevice.TRAPPED).getByte(1 << 20)).isEqualTo((byte) 0x5a);
        assertThat(server.device().events).hasSize(2);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "4, 5", "4, 3", "4, 0", "4, 0x7fffffff", "4, 0x80000000", "4, 0xffffffff"})
    void refusesACountThatIsNotThatOfTheData(int size, String count) {
        assertRefused(
                client,
                Command.REGION_WRITE,
                request(0, FakeDevice.TRAPPED, Long.decode(count).intValue(), new byte[size]),
                Errno.EINVAL);
        assertThat(server.device().events).isEmpty();
    }

    @Test
    void refusesMoreThanTheTransferMaximum() {
        assertRefused(
                client,
                Command.REGION_WRITE,
                request(0, FakeDevice.TRAPPED, (1 << 20) + 1, new byte[(1 << 20) + 1]),
                Errno.EINVAL);
    }

    @ParameterizedTest
    @CsvSource({"0x3ffffd", "0x400000", "-1", "-4", "0x7fffffffffffffff", "0xfff00000"})
    void refusesAnOffsetOutsideTheRegion(String offset) {
        assertRefused(
                client,
                Command.REGION_WRITE,
                request(Long.decode(offset), FakeDevice.TRAPPED, 4, new byte[4]),
                Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {FakeDevice.ABSENT, 11, Integer.MIN_VALUE, -1})
    void refusesABadRegion(int region) {
        assertRefused(client, Command.REGION_WRITE, request(0, region, 4, new byte[4]), Errno.EINVAL);
    }

    @Test
    void refusesARegionThatCannotBeWritten() {
        assertRefused(client, Command.REGION_WRITE, request(0, FakeDevice.READ_ONLY, 4, new byte[4]), Errno.EACCES);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 15})
    void refusesAShortMessage(int size) {
        assertRefused(client, Command.REGION_WRITE, new byte[size], Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(
                client,
                Command.REGION_WRITE,
                request(0, FakeDevice.TRAPPED, 4, new byte[4]),
                Errno.EINVAL,
                memory.descriptor());
    }

    @Test
    void passesTheErrnoOfTheDeviceOn() {
        server.device().beforeWrite = access -> {
            throw new VfioException(Errno.EBUSY, "not now");
        };

        assertRefused(client, Command.REGION_WRITE, request(0, FakeDevice.TRAPPED, 4, new byte[4]), Errno.EBUSY);
    }

    private static byte[] request(long offset, int region, int count, byte[] data) {
        return new Data().u64(offset).u32(region, count).raw(data).bytes();
    }
}
