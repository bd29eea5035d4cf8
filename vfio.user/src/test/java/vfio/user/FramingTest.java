package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.user.internal.Command;
import vfio.user.internal.Header;

class FramingTest {
    private static final byte[] GET_INFO = new Data().u32(16, 0, 0, 0).bytes();

    @AutoClose
    final TestServer server = new TestServer();

    final RawClient client = server.raw().negotiated();

    @Test
    void takesAMessageByteByByte() {
        for (byte each : RawClient.message(5, Command.DEVICE_GET_INFO.number(), 0, GET_INFO)) {
            client.send(new byte[] {each});
        }
        client.receive().isGood(5);
    }

    @Test
    void takesManyMessagesInOneSendAndAnswersInOrder() {
        Data all = new Data();
        for (int id = 0; id < 100; id++) {
            all.raw(RawClient.message(id, Command.REGION_WRITE.number(), 0, write(id)));
        }

        client.send(all.bytes());

        for (int id = 0; id < 100; id++) {
            client.receive().isGood(id);
        }
    }

    @Test
    void takesAMessageWhoseEndComesWithTheNext() {
        Data both = new Data()
                .raw(RawClient.message(5, Command.DEVICE_GET_INFO.number(), 0, GET_INFO))
                .raw(RawClient.message(6, Command.DEVICE_GET_INFO.number(), 0, GET_INFO));
        byte[] all = both.bytes();

        for (int cut : new int[] {1, 15, 16, 17, 31, 32, 33, 48, 63}) {
            client.send(Arrays.copyOfRange(all, 0, cut));
            client.send(Arrays.copyOfRange(all, cut, all.length));
            client.receive().isGood(5);
            client.receive().isGood(6);
        }
    }

    @Test
    void doesWhatAsksForNoReplyBeforeItAnswersWhatComesAfter() {
        Data all = new Data();
        for (int value = 1; value <= 100; value++) {
            all.raw(RawClient.message(value, Command.REGION_WRITE.number(), RawClient.NO_REPLY, write(value)));
        }
        all.raw(RawClient.message(500, Command.REGION_READ.number(), 0, read()));

        client.send(all.bytes());

        RawClient.Message reply = client.receive().isGood(500);
        assertThat(reply.data().getInt(16)).isEqualTo(100);
    }

    @Test
    void answersNeitherSuccessNorFailureOfWhatAsksForNoReply() {
        client.send(RawClient.message(1, Command.REGION_WRITE.number(), RawClient.NO_REPLY, write(1)));
        client.send(RawClient.message(2, Command.REGION_WRITE.number(), RawClient.NO_REPLY, Data.none()));
        client.send(RawClient.message(3, 99, RawClient.NO_REPLY, Data.none()));
        client.send(RawClient.message(4, Command.DEVICE_GET_INFO.number(), 0, GET_INFO));

        client.receive().isGood(4);
    }

    @Test
    void echoesAnyMessageId() {
        for (int id : new int[] {0, 1, 0x7fff, 0x8000, 0xffff, 0xffff}) {
            client.exchange(id, Command.DEVICE_GET_INFO, GET_INFO).isGood(id);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15})
    void endsTheConnectionOnASizeBelowTheHeaders(int size) {
        client.send(new Data()
                .u16(1, Command.DEVICE_GET_INFO.number())
                .u32(size, 0, 0)
                .bytes());

        assertThat(client.receive()).isNull();
    }

    @ParameterizedTest
    @ValueSource(ints = {(1 << 20) + 41, (1 << 20) + 4096, (3 << 19) + 7})
    void drainsAMessageThatIsTooLongAndGoesOn(int size) {
        byte[] message = RawClient.message(9, Command.REGION_WRITE.number(), 0, new byte[size]);

        client.send(message);
        client.send(6, Command.DEVICE_GET_INFO, GET_INFO);

        client.receive().isRefused(9, Errno.EMSGSIZE);
        client.receive().isGood(6);
        assertThat(server.device().events).isEmpty();
    }

    @Test
    void drainsAMessageOfMoreThanTwoGigabytes() {
        long size = 0x8000_0010L;
        client.send(new Data()
                .u16(9, Command.REGION_WRITE.number())
                .u32((int) size, 0, 0)
                .bytes());
        byte[] chunk = new byte[1 << 20];
        for (long left = size - Header.SIZE; left > 0; left -= chunk.length) {
            client.send(chunk);
        }

        client.receive().isRefused(9, Errno.EMSGSIZE);
        client.exchange(6, Command.DEVICE_GET_INFO, GET_INFO).isGood(6);
    }

    @Test
    void takesTheLongestMessage() {
        byte[] longest = new Data()
                .u64(0)
                .u32(FakeDevice.TRAPPED, 1 << 20)
                .raw(new byte[1 << 20])
                .bytes();

        client.exchange(9, Command.REGION_WRITE, longest).isGood(9);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 14, 19, 255, 65535})
    void refusesAnUnknownCommand(int command) {
        client.send(RawClient.message(9, command, 0, Data.none()));

        RawClient.Message reply = client.receive();
        reply.isRefused(9, Errno.ENOSYS);
        assertThat(reply.command()).isEqualTo(command);
        client.exchange(6, Command.DEVICE_GET_INFO, GET_INFO).isGood(6);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 15, 7 | RawClient.NO_REPLY})
    void refusesAnUnknownType(int flags) {
        client.send(RawClient.message(9, Command.DEVICE_GET_INFO.number(), flags, GET_INFO));

        client.receive().isRefused(9, Errno.EINVAL);
        client.exchange(6, Command.DEVICE_GET_INFO, GET_INFO).isGood(6);
    }

    @Test
    void keepsDescriptorsWithTheirMessage() throws InterruptedException {
        MappedMemory memory = server.own(MappedMemory.allocate("guest", 4096));
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        server.device().beforeRead = access -> {
            inside.countDown();
            awaitQuietly(go);
        };
        client.send(1, Command.REGION_READ, read());
        assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();

        // All of this waits in the socket when the server comes back.
        List<Integer> mapped = new ArrayList<>();
        for (int id = 2; id < 40; id++) {
            if (id % 3 == 0) {
                client.send(id, Command.DMA_MAP, map(id), memory.descriptor());
                mapped.add(id);
            } else {
                client.send(
                        id, id % 3 == 1 ? Command.DEVICE_GET_INFO : Command.DMA_MAP, id % 3 == 1 ? GET_INFO : map(id));
            }
        }
        go.countDown();

        for (int id = 1; id < 40; id++) {
            client.receive().isGood(id);
        }
        server.device().mappings().forEach(mapping -> assertThat(mapping.memory() != null)
                .as("whether %s has memory", mapping)
                .isEqualTo(mapped.contains((int) (mapping.iova() >> 12))));
        assertThat(server.device().mappings()).hasSize(26);
    }

    @Test
    void closesDescriptorsThatComeWithWhatIsRefused() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));
        int before = TestServer.descriptors();

        client.send(RawClient.message(1, 99, 0, Data.none()), memory.descriptor());
        client.receive().isRefused(1, Errno.ENOSYS);
        client.send(RawClient.message(2, Command.DMA_MAP.number(), 0, new byte[(1 << 20) + 100]), memory.descriptor());
        client.receive().isRefused(2, Errno.EMSGSIZE);
        client.send(
                RawClient.message(3, Command.DMA_MAP.number(), Header.FLAGS_TYPE_REPLY, map(0)), memory.descriptor());
        client.exchange(6, Command.DEVICE_GET_INFO, GET_INFO).isGood(6);

        TestServer.awaitDescriptors(before);
    }

    private static byte[] read() {
        return new Data().u64(0).u32(FakeDevice.TRAPPED, 4).bytes();
    }

    private static byte[] write(int value) {
        return new Data().u64(0).u32(FakeDevice.TRAPPED, 4, value).bytes();
    }

    private static byte[] map(int page) {
        return new Data().u32(32, 3).u64(0, (long) page << 12, 4096).bytes();
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
