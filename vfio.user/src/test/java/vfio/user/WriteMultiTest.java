package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.client.ClientOptions;
import vfio.user.client.RegionWrite;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class WriteMultiTest {
    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @Test
    void writesAllInOrder() {
        long done = client.writeMulti(List.of(
                new RegionWrite(FakeDevice.TRAPPED, 0, 8, -1L),
                new RegionWrite(FakeDevice.TRAPPED, 0, 4, 0x1234_5678),
                new RegionWrite(FakeDevice.TRAPPED, 0, 1, 0xaa),
                new RegionWrite(FakeDevice.SPARSE, 0x10, 3, 0xcc_bbaa)));

        assertThat(done).isEqualTo(4);
        assertThat(client.readLong(FakeDevice.TRAPPED, 0)).isEqualTo(0xffff_ffff_1234_56aaL);
        assertThat(client.readInt(FakeDevice.SPARSE, 0x10)).isEqualTo(0xcc_bbaa);
    }

    @Test
    void writesTwoHundredAsQemuDoes() {
        List<RegionWrite> writes = IntStream.range(0, 200)
                .mapToObj(index -> new RegionWrite(FakeDevice.TRAPPED, index * 4L, 4, index))
                .toList();

        assertThat(client.writeMulti(writes)).isEqualTo(200);
        assertThat(client.readInt(FakeDevice.TRAPPED, 199 * 4)).isEqualTo(199);
    }

    @Test
    void writesWithoutAReply() {
        client.writeMultiPosted(List.of(new RegionWrite(FakeDevice.TRAPPED, 0, 4, 7)));

        assertThat(client.readInt(FakeDevice.TRAPPED, 0)).isEqualTo(7);
    }

    @Test
    void stopsAtTheFirstFailureAndTellsHowManyWereDone() {
        long done = client.writeMulti(List.of(
                new RegionWrite(FakeDevice.TRAPPED, 0, 4, 1),
                new RegionWrite(FakeDevice.READ_ONLY, 0, 4, 2),
                new RegionWrite(FakeDevice.TRAPPED, 4, 4, 3)));

        assertThat(done).isEqualTo(1);
        assertThat(client.readInt(FakeDevice.TRAPPED, 0)).isEqualTo(1);
        assertThat(client.readInt(FakeDevice.TRAPPED, 4)).isZero();
    }

    @Test
    void failsIfNotEvenTheFirstIsDone() {
        assertRefused(
                client,
                Command.REGION_WRITE_MULTI,
                request(1, new Data().u64(0).u32(FakeDevice.READ_ONLY, 4).u64(0)),
                Errno.EACCES);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 9, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void refusesABadLengthBeforeTheFirstWrite(int length) {
        Data writes = new Data()
                .u64(0)
                .u32(FakeDevice.TRAPPED, 8)
                .u64(0)
                .u64(0)
                .u32(FakeDevice.TRAPPED, length)
                .u64(0);

        assertRefused(client, Command.REGION_WRITE_MULTI, request(2, writes), Errno.EINVAL);
        assertThat(server.device().events).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 2, -1, Long.MIN_VALUE, 0x1_0000_0001L, 0x0aaa_aaaa_aaaa_aaabL})
    void refusesACountThatIsNotThatOfTheWrites(long count) {
        Data writes = new Data().u64(0).u32(FakeDevice.TRAPPED, 8).u64(0);

        assertRefused(client, Command.REGION_WRITE_MULTI, request(count, writes), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 23})
    void refusesAWriteThatIsCutOff(int missing) {
        Data writes = new Data().u64(1).u64(0).u32(FakeDevice.TRAPPED, 8).u64(0);

        assertRefused(client, Command.REGION_WRITE_MULTI, writes.without(missing), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 7, 8})
    void refusesAMessageWithoutWrites(int size) {
        assertRefused(client, Command.REGION_WRITE_MULTI, new byte[size], Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, -8, Long.MAX_VALUE, FakeDevice.TRAPPED_SIZE - 7})
    void refusesAnOffsetOutsideTheRegion(long offset) {
        assertThatThrownBy(() -> client.writeMulti(List.of(new RegionWrite(FakeDevice.TRAPPED, offset, 8, 0))))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
        assertAlive(client);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(
                client,
                Command.REGION_WRITE_MULTI,
                request(1, new Data().u64(0).u32(FakeDevice.TRAPPED, 4).u64(0)),
                Errno.EINVAL,
                memory.descriptor());
    }

    @Test
    void refusesIfItWasNotAgreed() {
        client.close();
        VfioUserClient other = server.connect(ClientOptions.DEFAULT.withWriteMultiple(false));

        assertRefused(
                other,
                Command.REGION_WRITE_MULTI,
                request(1, new Data().u64(0).u32(FakeDevice.TRAPPED, 4).u64(0)),
                Errno.EOPNOTSUPP);
    }

    private static byte[] request(long count, Data writes) {
        return new Data().u64(count).raw(writes.bytes()).bytes();
    }
}
