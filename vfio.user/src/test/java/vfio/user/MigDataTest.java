package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.user.client.Reply;
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

    @ParameterizedTest
    @EnumSource(
            value = MigrationState.class,
            names = {"STOP_COPY", "PRE_COPY"})
    void readsUpToTheEnd(MigrationState state) {
        FakeMigratable movable = movable(state);
        movable.saved = ByteBuffer.wrap(numbered(20));

        assertReads(16, Arrays.copyOf(numbered(20), 16));
        assertReads(16, Arrays.copyOfRange(numbered(20), 16, 20));
        assertReads(16, Data.none());
    }

    @Test
    void readsNothingIfNothingIsWanted() {
        movable(MigrationState.STOP_COPY).saved = ByteBuffer.wrap(numbered(4));

        assertReads(0, Data.none());
        assertReads(4, numbered(4));
    }

    @Test
    void readsAsMuchAsWasAgreed() {
        movable(MigrationState.STOP_COPY).saved = ByteBuffer.wrap(numbered(2 << 20));

        assertReads(1 << 20, numbered(1 << 20));
    }

    @ParameterizedTest
    @CsvSource({"7, 0", "8, 1", "23, 16", "-1, 1048577", "-1, 2147483647", "-1, -2147483648", "-1, -1"})
    void refusesToReadWhatHasNoRoom(int argsz, int size) {
        FakeMigratable movable = movable(MigrationState.STOP_COPY);
        movable.saved = ByteBuffer.wrap(numbered(20));

        assertRefused(client, Command.MIG_DATA_READ, new Data().u32(argsz, size).bytes(), Errno.EINVAL);
        assertThat(movable.pending()).as("nothing is lost").isEqualTo(20);
    }

    @Test
    void writesInOrder() {
        FakeMigratable movable = movable(MigrationState.RESUMING);

        for (int start : new int[] {0, 5, 5, 1000}) {
            byte[] part = Arrays.copyOfRange(numbered(2000), start, 2 * start);
            byte[] request = new Data().u32(8, part.length).raw(part).bytes();
            try (Reply reply = client.request(Command.MIG_DATA_WRITE.number(), request, List.of())) {
                assertThat(reply.errno()).isZero();
                assertThat(reply.data().capacity()).isZero();
            }
        }

        assertThat(movable.loaded.position()).isEqualTo(1010);
        assertThat(movable.loaded.get(9)).isEqualTo((byte) 9);
        assertThat(movable.loaded.get(1009)).isEqualTo((byte) 1999);
    }

    @Test
    void writesAsMuchAsWasAgreed() {
        FakeMigratable movable = movable(MigrationState.RESUMING);
        byte[] most = new Data().u32(8, 1 << 20).raw(numbered(1 << 20)).bytes();
        byte[] more =
                new Data().u32(8, (1 << 20) + 1).raw(numbered((1 << 20) + 1)).bytes();

        assertRefused(client, Command.MIG_DATA_WRITE, more, Errno.EINVAL);
        client.request(Command.MIG_DATA_WRITE.number(), most, List.of()).close();

        assertThat(movable.loaded.position()).isEqualTo(1 << 20);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 9, 1 << 20, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void refusesToWriteAnotherSizeThanTheMessageHas(int size) {
        FakeMigratable movable = movable(MigrationState.RESUMING);

        assertRefused(
                client, Command.MIG_DATA_WRITE, new Data().u32(16, size).u64(1).bytes(), Errno.EINVAL);
        assertThat(movable.loaded.position()).isZero();
    }

    @Test
    void refusesInAStateWithoutData() {
        byte[] read = new Data().u32(16, 8).bytes();
        byte[] write = new Data().u32(16, 8).u64(0).bytes();

        for (MigrationState state : EnumSet.allOf(MigrationState.class)) {
            movable(state);
            if (!state.isSaving()) {
                assertRefused(client, Command.MIG_DATA_READ, read, Errno.EINVAL);
            }
            if (state != MigrationState.RESUMING) {
                assertRefused(client, Command.MIG_DATA_WRITE, write, Errno.EINVAL);
            }
        }
    }

    @Test
    void passesOnWhatTheDeviceFailsWith() {
        movable(MigrationState.RESUMING).failure = new VfioException(Errno.EOVERFLOW, "told to");

        assertRefused(client, Command.MIG_DATA_READ, new Data().u32(16, 8).bytes(), Errno.EOVERFLOW);
        assertRefused(
                client, Command.MIG_DATA_WRITE, new Data().u32(16, 8).u64(0).bytes(), Errno.EOVERFLOW);
    }

    private FakeMigratable movable(MigrationState state) {
        FakeMigratable movable = new FakeMigratable();
        movable.state = state;
        server.device().migration = movable;
        return movable;
    }

    private void assertReads(int size, byte[] expected) {
        byte[] request = new Data().u32(8 + size, size).bytes();
        try (Reply reply = client.request(Command.MIG_DATA_READ.number(), request, List.of())) {
            assertThat(reply.errno()).isZero();
            assertThat(reply.data().getInt(0)).as("argsz").isEqualTo(8 + expected.length);
            assertThat(reply.data().getInt(4)).as("size").isEqualTo(expected.length);
            assertThat(reply.data().slice(8, reply.data().capacity() - 8)).isEqualTo(ByteBuffer.wrap(expected));
        }
    }

    private static byte[] numbered(int size) {
        byte[] bytes = new byte[size];
        for (int index = 0; index < size; index++) {
            bytes[index] = (byte) index;
        }
        return bytes;
    }
}
