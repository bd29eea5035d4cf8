package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.eventually;

import java.util.Random;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.Descriptor;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Header;

/** Whatever a client sends, the server answers the next good request, or ends that connection and serves the next client. */
class GarbageTest {
    private static final int MESSAGES = 3000;
    private static final int MARK = 0xbeef;

    /** Numbers at which something could go wrong. */
    private static final long[] EDGES = {
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        15,
        16,
        20,
        24,
        32,
        4095,
        4096,
        4097,
        0x7fff_ffffL,
        0x8000_0000L,
        0xffff_ffffL,
        0x1_0000_0000L,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1,
        -2,
        -4096
    };

    @AutoClose
    final TestServer server = new TestServer();

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void wellFramedGarbageIsAlwaysFollowedByAnAnswer(long seed) {
        Random random = new Random(seed);
        MappedMemory memory = server.own(MappedMemory.allocate("garbage", 8192));
        Descriptor event = event();
        RawClient client = server.raw().negotiated();
        FakeMigratable movable = new FakeMigratable();
        movable.logging = true;
        movable.state = MigrationState.STOP_COPY;
        server.device().migration = movable;
        for (int round = 0; round < MESSAGES; round++) {
            byte[] data = data(random);
            int command = random.nextInt(20) == 0 ? random.nextInt(65_536) : random.nextInt(20);
            int flags = random.nextInt(10) == 0 ? random.nextInt() : random.nextInt(2) * Header.FLAGS_NO_REPLY;
            Descriptor[] attached = new Descriptor[random.nextInt(8) == 0 ? 1 + random.nextInt(20) : 0];
            for (int index = 0; index < attached.length; index++) {
                attached[index] = random.nextBoolean() ? memory.descriptor() : event;
            }
            client.send(RawClient.message(round & 0x7fff, command, flags, data), attached);
            if (round % 10 == 0) {
                assertAnswers(client, seed, round);
            }
        }
        assertAnswers(client, seed, MESSAGES);
        client.close();
        eventually(() -> assertThat(server.device().closed).isTrue());
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13})
    void randomBytesCostTheConnectionAtMost(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 60; round++) {
            try (RawClient client = new RawClient(server.path())) {
                if (random.nextBoolean()) {
                    client.negotiated();
                }
                byte[] bytes = new byte[1 + random.nextInt(300)];
                random.nextBytes(bytes);
                client.send(bytes);
            } catch (VfioException e) {
                assertThat(e.errno().name())
                        .as("round %s of seed %s", round, seed)
                        .isIn("EPIPE", "ECONNRESET");
            }
        }
        TestServer.assertAlive(server.connect());
    }

    @ParameterizedTest
    @ValueSource(longs = {21, 22, 23})
    void garbageInVersionIsRefused(long seed) {
        Random random = new Random(seed);
        byte[] good = RawClient.version(
                0,
                1,
                "{\"capabilities\":{\"max_msg_fds\":16,\"twin_socket\":{\"supported\":true},\"pgsizes\":4096}}\0");
        for (int round = 0; round < 200; round++) {
            byte[] data = good.clone();
            for (int change = random.nextInt(6); change >= 0; change--) {
                data[random.nextInt(data.length)] = (byte) random.nextInt(256);
            }
            try (RawClient client = new RawClient(server.path())) {
                RawClient.Message reply = client.exchange(round, Command.VERSION, data);
                assertThat(reply)
                        .as("answer to round %s of seed %s", round, seed)
                        .isNotNull();
                reply.descriptors().forEach(Descriptor::close);
            }
        }
        TestServer.assertAlive(server.connect());
    }

    /** Skips what is answered to garbage until the answer to a good request comes. */
    private static void assertAnswers(RawClient client, long seed, int round) {
        client.send(MARK, Command.DEVICE_GET_INFO, new Data().u32(16, 0, 0, 0).bytes());
        RawClient.Message reply;
        do {
            reply = client.receive();
            assertThat(reply)
                    .as("answer after message %s of seed %s", round, seed)
                    .isNotNull();
            reply.descriptors().forEach(Descriptor::close);
        } while (reply.id() != MARK);
        assertThat(reply.data().getInt(8)).isEqualTo(11);
    }

    private static byte[] data(Random random) {
        Data data = new Data();
        switch (random.nextInt(5)) {
            case 0 -> {
                byte[] bytes = new byte[random.nextInt(100)];
                random.nextBytes(bytes);
                data.raw(bytes);
            }
            case 1 -> {
                for (int fields = random.nextInt(8); fields >= 0; fields--) {
                    data.u32((int) EDGES[random.nextInt(EDGES.length)]);
                }
            }
            case 2 -> {
                for (int fields = random.nextInt(6); fields >= 0; fields--) {
                    data.u64(EDGES[random.nextInt(EDGES.length)]);
                }
            }
            case 3 -> {
                data.u32(random.nextInt(3) * 512, random.nextInt(10) | random.nextInt(16) << 16);
                for (int fields = random.nextInt(6); fields > 0; fields--) {
                    data.u64(EDGES[random.nextInt(EDGES.length)]);
                }
            }
            default -> {
                data.u32(32, random.nextInt(64), random.nextInt(6), random.nextInt(4), random.nextInt(4));
                data.raw(new byte[random.nextInt(20)]);
            }
        }
        return data.bytes();
    }

    private Descriptor event() {
        try (EventFd event = EventFd.create()) {
            return server.own(event.duplicateDescriptor());
        }
    }
}
