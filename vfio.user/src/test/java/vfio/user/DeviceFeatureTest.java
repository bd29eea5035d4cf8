package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class DeviceFeatureTest {
    private static final int GET = 1 << 16;
    private static final int SET = 1 << 17;
    private static final int PROBE = 1 << 18;

    private static final int MIGRATION = 1;
    private static final int STATE = 2;
    private static final int START = 6;
    private static final int STOP = 7;
    private static final int REPORT = 8;

    private static final Map<Integer, Set<Integer>> ALLOWED = Map.of(
            MIGRATION, Set.of(GET),
            STATE, Set.of(GET, SET),
            START, Set.of(SET),
            STOP, Set.of(SET),
            REPORT, Set.of(GET));

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();
    final FakeMigratable movable = new FakeMigratable();

    @BeforeEach
    void canBeMoved() {
        server.device().migration = movable;
    }

    @Test
    void answersEveryRequestAsTheKernelDoes() {
        for (int flags : requests()) {
            movable.logging = true;
            assertThat(ask(good(flags)))
                    .as("flags 0x%x", flags)
                    .isEqualTo(expected(flags, true).map(Errno::number).orElse(0));
        }
        assertAlive(client);
    }

    @Test
    void aDeviceThatDoesNotLogLacksThatOnly() {
        movable.logs = false;

        for (int flags : requests()) {
            assertThat(ask(good(flags)))
                    .as("flags 0x%x", flags)
                    .isEqualTo(expected(flags, false).map(Errno::number).orElse(0));
        }
    }

    @Test
    void aDeviceThatCannotBeMovedHasNone() {
        server.device().migration = null;

        for (int flags : requests()) {
            boolean both = (flags & (GET | SET | PROBE)) == (GET | SET);
            assertThat(ask(good(flags)))
                    .as("flags 0x%x", flags)
                    .isEqualTo(both ? Errno.EINVAL.number() : Errno.ENOTTY.number());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1 << 19, 1 << 31, -1, 0xfff8_0000})
    void refusesFlagsThatNobodyKnows(int flags) {
        assertRefused(client, Command.DEVICE_FEATURE, good(flags | GET | MIGRATION), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 7})
    void refusesAShortMessage(int size) {
        assertRefused(client, Command.DEVICE_FEATURE, new byte[size], Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 7})
    void refusesRoomForLessThanTheFlags(int argsz) {
        byte[] request = new Data().u32(argsz, PROBE | MIGRATION).bytes();

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(client, Command.DEVICE_FEATURE, good(GET | MIGRATION), Errno.EINVAL, memory.descriptor());
    }

    @ParameterizedTest
    @CsvSource({"true, 5", "false, 1"})
    void saysWhatTheDeviceHas(boolean preCopy, long expected) {
        movable.preCopy = preCopy;

        try (Reply reply = request(new Data().u32(4096, GET | MIGRATION).bytes())) {
            assertThat(reply.data().capacity()).isEqualTo(16);
            assertThat(reply.data().getInt(0)).as("argsz").isEqualTo(16);
            assertThat(reply.data().getInt(4)).as("flags").isEqualTo(GET | MIGRATION);
            assertThat(reply.data().getLong(8)).isEqualTo(expected);
        }
        assertThat(server.device().mover).isEqualTo("the client");
    }

    @ParameterizedTest
    @ValueSource(ints = {MIGRATION, STATE})
    void refusesTooLittleRoomForWhatIsGot(int feature) {
        assertRefused(
                client,
                Command.DEVICE_FEATURE,
                new Data().u32(15, GET | feature).bytes(),
                Errno.EINVAL);
    }

    @Test
    void tellsTheState() {
        movable.state = MigrationState.STOP_COPY;

        try (Reply reply = request(new Data().u32(16, GET | STATE).u64(-1).bytes())) {
            assertThat(reply.data().capacity()).isEqualTo(16);
            assertThat(reply.data().getInt(8)).as("device_state").isEqualTo(3);
            assertThat(reply.data().getInt(12)).as("data_fd").isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 6})
    void takesTheDeviceToAState(int state) {
        byte[] request = new Data().u32(16, SET | STATE, state, 77).bytes();

        try (Reply reply = request(request)) {
            assertThat(bytes(reply)).as("the request").isEqualTo(request);
        }
        assertThat(movable.state.number()).isEqualTo(state);
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 7, 8, -1, Integer.MIN_VALUE})
    void refusesAStateThatIsNone(int state) {
        byte[] request = new Data().u32(16, SET | STATE, state, -1).bytes();

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @Test
    void refusesPreCopyIfTheDeviceHasNone() {
        movable.preCopy = false;
        byte[] request = new Data().u32(16, SET | STATE, 6, -1).bytes();

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"8, 16", "12, 16", "15, 16", "16, 15", "16, 8"})
    void refusesAStateThatIsCutOffOrCannotBeAnswered(int size, int argsz) {
        byte[] request = new Data().u32(argsz, SET | STATE, 1, -1).without(16 - size);

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"EBUSY", "EIO", "EAGAIN", "EOPNOTSUPP"})
    void passesOnWhatTheDeviceFailsWith(Errno errno) {
        movable.failure = new VfioException(errno, "told to");

        for (int flags : new int[] {SET | STATE, SET | START, SET | STOP, GET | REPORT}) {
            assertRefused(client, Command.DEVICE_FEATURE, good(flags), errno);
        }
    }

    @Test
    void startsToLogRanges() {
        byte[] request = new Data()
                .u32(56, SET | START)
                .u64(1 << 16)
                .u32(2, 0)
                .u64(0x1000, 0x2000, -4096, 4096)
                .bytes();

        try (Reply reply = request(request)) {
            assertThat(reply.data().getLong(8)).as("page_size").isEqualTo(4096);
            reply.data().putLong(8, 1 << 16);
            assertThat(bytes(reply)).as("the rest of the request").isEqualTo(request);
        }
        assertThat(movable.events)
                .containsExactly("log 65536 [DmaRange[iova=4096, length=8192], DmaRange[iova=-4096, length=4096]]");
    }

    @Test
    void startsToLogEverything() {
        assertThat(ask(new Data().u32(24, SET | START).u64(4096, 0).bytes())).isZero();

        assertThat(movable.events).containsExactly("log 4096 []");
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 0x1000_0000, 0x1000_0001, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void refusesMoreRangesThanTheMessageHas(int count) {
        byte[] request = new Data()
                .u32(4096, SET | START)
                .u64(4096)
                .u32(count, 0)
                .u64(0, 4096)
                .bytes();

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @Test
    void takesAsManyRangesAsFitIntoAMessage() {
        int count = ((1 << 20) + 40 - 24) / 16;
        Data request = new Data().u32(1 << 21, SET | START).u64(4096).u32(count, 0);
        for (int range = 0; range < count; range++) {
            request.u64(range * 8192L, 4096);
        }

        assertThat(ask(request.bytes())).isZero();
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "4096, 0", "4096, -4095", "-4096, 4097", "-1, -1", "2, -1"})
    void refusesARangeThatIsNone(long iova, long length) {
        byte[] request = new Data()
                .u32(56, SET | START)
                .u64(4096)
                .u32(2, 0)
                .u64(0, 4096, iova, length)
                .bytes();

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 3, 4097, -1})
    void refusesAPageSizeThatIsNone(long pageSize) {
        movable.logging = true;

        assertRefused(
                client,
                Command.DEVICE_FEATURE,
                new Data().u32(24, SET | START).u64(pageSize, 0).bytes(),
                Errno.EINVAL);
        assertRefused(client, Command.DEVICE_FEATURE, report(4096, 0, 4096, pageSize), Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"8, 24", "23, 24", "24, 23", "24, 8"})
    void refusesAStartThatIsCutOffOrCannotBeAnswered(int size, int argsz) {
        byte[] request = new Data().u32(argsz, SET | START).u64(4096, 0).without(24 - size);

        assertRefused(client, Command.DEVICE_FEATURE, request, Errno.EINVAL);
        assertThat(movable.events).isEmpty();
    }

    @Test
    void stopsLogging() {
        byte[] request = new Data().u32(8, SET | STOP).bytes();

        try (Reply reply = request(request)) {
            assertThat(bytes(reply)).isEqualTo(request);
        }
        assertThat(movable.events).containsExactly("stop");
    }

    /** The reply is composed in the buffer of the one before, and the bitmap's last word reaches beyond the range. */
    @Test
    void reportsPages() {
        client.read(FakeDevice.TRAPPED, 0, 200);
        client.write(FakeDevice.TRAPPED, 0, ByteBuffer.wrap(filled(200)));
        client.read(FakeDevice.TRAPPED, 0, 200);
        movable.logging = true;
        movable.dirty.set(2);
        movable.dirty.set(3 + 64);
        movable.dirty.set(3 + 65);

        try (Reply reply = request(report(48, 0x2000, 66 * 4096 - 1, 4096))) {
            assertThat(reply.data().capacity()).isEqualTo(48);
            assertThat(reply.data().getInt(0)).as("argsz").isEqualTo(48);
            assertThat(reply.data().getInt(4)).as("flags").isEqualTo(GET | REPORT);
            assertThat(reply.data().getLong(8)).as("iova").isEqualTo(0x2000);
            assertThat(reply.data().getLong(16)).as("length").isEqualTo(66 * 4096 - 1);
            assertThat(reply.data().getLong(24)).as("page_size").isEqualTo(4096);
            assertThat(reply.data().getLong(32)).isEqualTo(1);
            assertThat(reply.data().getLong(40)).isEqualTo(2);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "47, 0, 266240, 4096",
        "31, 0, 4096, 4096",
        "0, 0, 4096, 4096",
        "4096, 0, 0, 4096",
        "4096, 4096, -4095, 4096",
        "4096, -4096, 8192, 4096",
        "-1, 0, -1, 4096",
        "-1, 0, 9223372036854775807, 4096",
        "-1, 0, 34359738369, 4096",
        "-1, 0, 4096, 2048",
        "-1, 0, 4096, 1"
    })
    void refusesAReportThatCannotBeHad(int argsz, long iova, long length, long pageSize) {
        movable.logging = true;
        movable.dirty.set(0);

        assertRefused(client, Command.DEVICE_FEATURE, report(argsz, iova, length, pageSize), Errno.EINVAL);
        assertThat(movable.events).as("nothing is taken out of the log").isEmpty();
    }

    @Test
    void refusesAReportThatIsCutOff() {
        movable.logging = true;
        byte[] whole = report(4096, 0, 4096, 4096);

        for (int size = 8; size < whole.length; size++) {
            assertRefused(client, Command.DEVICE_FEATURE, Arrays.copyOf(whole, size), Errno.EINVAL);
        }
    }

    @Test
    void reportsAsMuchAsWasAgreed() {
        movable.logging = true;
        movable.dirty.set((8 << 20) - 1);

        try (Reply reply = request(report(-1, 0, 32L << 30, 4096))) {
            assertThat(reply.data().capacity()).isEqualTo(32 + (1 << 20));
            assertThat(reply.data().getLong(32 + (1 << 20) - 8)).isEqualTo(Long.MIN_VALUE);
        }
    }

    @Test
    void reportsNoMoreThanTheClientTakes() {
        server.device().close();
        client.close();
        RawClient small = server.raw();
        small.negotiate("{\"capabilities\":{\"migration\":{\"max_bitmap_size\":16}}}");
        server.device().migration = movable;
        movable.logging = true;

        small.exchange(2, Command.DEVICE_FEATURE, report(4096, 0, 128 * 4096, 4096))
                .isGood(2);
        small.exchange(3, Command.DEVICE_FEATURE, report(4096, 0, 128 * 4096 + 1, 4096))
                .isRefused(3, Errno.EINVAL);
    }

    /** Every feature index that is near a known one, with every combination of operations. */
    private static int[] requests() {
        return IntStream.concat(IntStream.range(0, 16), IntStream.of(0xffff))
                .flatMap(feature -> IntStream.range(0, 8).map(operations -> feature | operations << 16))
                .toArray();
    }

    /** As {@code vfio_ioctl_device_feature} and {@code vfio_check_feature} of the kernel. */
    private static Optional<Errno> expected(int flags, boolean logs) {
        int feature = flags & 0xffff;
        int operations = flags & (GET | SET | PROBE);
        if (operations == (GET | SET)) {
            return Optional.of(Errno.EINVAL);
        }
        Set<Integer> allowed = ALLOWED.get(feature);
        if (allowed == null || (feature >= START && !logs)) {
            return Optional.of(Errno.ENOTTY);
        }
        boolean refused = IntStream.of(GET, SET)
                .anyMatch(operation -> (operations & operation) != 0 && !allowed.contains(operation));
        return refused || operations == 0 ? Optional.of(Errno.EINVAL) : Optional.empty();
    }

    /** A request whose data suits every feature: a state, a start without ranges, a report of a page. */
    private static byte[] good(int flags) {
        Data data = new Data().u32(4096, flags);
        return switch (flags & 0xffff) {
            case STATE -> data.u32(1, -1).bytes();
            case START -> data.u64(4096, 0).bytes();
            case REPORT -> data.u64(0, 4096, 4096).bytes();
            default -> data.bytes();
        };
    }

    private static byte[] report(int argsz, long iova, long length, long pageSize) {
        return new Data().u32(argsz, GET | REPORT).u64(iova, length, pageSize).bytes();
    }

    private int ask(byte[] data) {
        try (Reply reply = client.request(Command.DEVICE_FEATURE.number(), data, List.of())) {
            return reply.errno();
        }
    }

    private Reply request(byte[] data) {
        Reply reply = client.request(Command.DEVICE_FEATURE.number(), data, List.of());
        assertThat(reply.errno()).isZero();
        return reply;
    }

    private static byte[] bytes(Reply reply) {
        byte[] bytes = new byte[reply.data().capacity()];
        reply.data().get(0, bytes);
        return bytes;
    }

    private static byte[] filled(int size) {
        byte[] bytes = new byte[size];
        Arrays.fill(bytes, (byte) 0xff);
        return bytes;
    }
}
