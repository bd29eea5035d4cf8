package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.user.client.ClientOptions;
import vfio.user.client.Negotiated;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class VersionTest {
    private static final String QEMU = "{\"capabilities\":{\"pgsizes\":4096,\"max_msg_fds\":16,\"max_dma_maps\":65535,"
            + "\"max_data_xfer_size\":1048576,\"migration\":{\"max_bitmap_size\":268435456,\"pgsize\":4096},"
            + "\"write_multiple\":true}}\0";

    @AutoClose
    final TestServer server = new TestServer();

    @ParameterizedTest
    @CsvSource({"0, 0", "1, 1", "5, 1", "65535, 1"})
    void answersTheLesserMinorVersion(int proposed, int answered) {
        RawClient.Message reply = server.raw()
                .exchange(7, Command.VERSION, RawClient.version(0, proposed, QEMU))
                .isGood(7);

        assertThat(reply.data().getShort(0)).as("major").isZero();
        assertThat(reply.data().getShort(2)).as("minor").isEqualTo((short) answered);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 65535})
    void refusesAnotherMajorVersion(int major) {
        RawClient client = server.raw();

        client.exchange(7, Command.VERSION, RawClient.version(major, 0, QEMU)).isRefused(7, Errno.EOPNOTSUPP);
        assertThat(client.receive()).as("end of the connection").isNull();
    }

    @Test
    void answersWhatQemuProposes() {
        JsonObject answered = capabilities(server.raw().negotiate(QEMU));

        assertThat(answered.keySet())
                .containsExactlyInAnyOrder(
                        "pgsizes", "max_msg_fds", "max_dma_maps", "max_data_xfer_size", "write_multiple", "migration");
        assertThat(answered.getInt("pgsizes")).isEqualTo(4096);
        assertThat(answered.getInt("max_msg_fds")).isEqualTo(16);
        assertThat(answered.getInt("max_dma_maps")).isEqualTo(65_535);
        assertThat(answered.getInt("max_data_xfer_size")).isEqualTo(1 << 20);
        assertThat(answered.getBoolean("write_multiple")).isTrue();
        assertThat(answered.getJsonObject("migration").getInt("pgsize")).isEqualTo(4096);
        assertThat(answered.getJsonObject("migration").getInt("max_bitmap_size"))
                .isEqualTo(1 << 20);
    }

    @ParameterizedTest
    @ValueSource(strings = {"max_msg_fds", "max_data_xfer_size", "max_dma_maps", "pgsizes"})
    void namesOnlyWhatWasProposed(String name) {
        JsonObject answered = capabilities(
                server.raw().negotiate("{\"capabilities\":{\"" + name + "\":4096,\"something_else\":1}}\0"));

        assertThat(answered.keySet()).containsExactly(name);
        assertThat(answered.getInt(name)).isEqualTo(name.equals("max_msg_fds") ? 16 : 4096);
    }

    @Test
    void offersNoMoreThanItsOwnLimits() {
        JsonObject answered = capabilities(
                server.raw().negotiate("{\"capabilities\":{\"max_data_xfer_size\":67108864,\"max_dma_maps\":100000}}"));

        assertThat(answered.getInt("max_data_xfer_size")).isEqualTo(1 << 20);
        assertThat(answered.getInt("max_dma_maps")).isEqualTo(65_535);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\0", "{}", "{}\0", "{\"capabilities\":{}}\0", "{\"other\":1}\0"})
    void takesVersionDataThatNamesNothing(String json) {
        assertThat(capabilities(server.raw().negotiate(json))).isEmpty();
    }

    @Test
    void answersJsonWithATerminatingNul() {
        RawClient.Message reply = server.raw().negotiate(QEMU);

        assertThat(reply.data().get(reply.data().capacity() - 1)).isZero();
        assertThat(reply.data().get(reply.data().capacity() - 2)).isEqualTo((byte) '}');
        assertThat(reply.descriptors()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "not json\0",
                "[]\0",
                "{\0",
                "{\"capabilities\":[]}\0",
                "{\"capabilities\":null}\0",
                "{\"capabilities\":{\"max_msg_fds\":0}}\0",
                "{\"capabilities\":{\"migration\":true}}\0",
                "{\"capabilities\":{\"migration\":{\"max_bitmap_size\":0}}}\0",
                "{\"capabilities\":{\"max_msg_fds\":-1}}\0",
                "{\"capabilities\":{\"max_msg_fds\":1.5}}\0",
                "{\"capabilities\":{\"max_msg_fds\":\"16\"}}\0",
                "{\"capabilities\":{\"max_msg_fds\":4294967296}}\0",
                "{\"capabilities\":{\"max_data_xfer_size\":1e99}}\0",
                "{\"capabilities\":{\"max_data_xfer_size\":1e99999999999}}\0",
                "{\"capabilities\":{\"max_data_xfer_size\":99999999999999999999}}\0",
                "{\"capabilities\":{\"twin_socket\":true}}\0",
                "{\"capabilities\":{\"twin_socket\":null}}\0"
            })
    void refusesVersionDataThatMakesNoSense(String json) {
        RawClient client = server.raw();

        client.exchange(7, Command.VERSION, RawClient.version(0, 1, json)).isRefused(7, Errno.EINVAL);
        assertThat(client.receive()).as("end of the connection").isNull();
    }

    @Test
    void refusesBinaryVersionData() {
        byte[] data = new Data()
                .u16(0, 1)
                .u8(0xff, 0xfe, 0, 0xc0, 0x80, 0xed, 0xa0, 0x80)
                .bytes();

        server.raw().exchange(7, Command.VERSION, data).isRefused(7, Errno.EINVAL);
    }

    @Test
    void aRefusedClientMayComeAgainAtOnce() {
        for (int round = 0; round < 200; round++) {
            server.raw()
                    .exchange(round, Command.VERSION, RawClient.version(1, 0, ""))
                    .isRefused(round, Errno.EOPNOTSUPP);
        }
    }

    @Test
    void refusesJsonThatIsNestedTooDeep() {
        String json = "{\"a\":".repeat(800) + "1" + "}".repeat(800);

        RawClient client = server.raw();
        assertThat(client.exchange(7, Command.VERSION, RawClient.version(0, 1, json)))
                .as("an answer of any kind")
                .isNotNull();
        client.close();
        server.raw()
                .exchange(8, Command.VERSION, RawClient.version(0, 1, "[".repeat(4000)))
                .isRefused(8, Errno.EINVAL);
    }

    @Test
    void refusesVersionDataThatIsTooLong() {
        String json = "{\"capabilities\":{\"x\":\"" + "y".repeat(10 << 10) + "\"}}\0";

        server.raw().exchange(7, Command.VERSION, RawClient.version(0, 1, json)).isRefused(7, Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void refusesAShortMessage(int size) {
        server.raw().exchange(7, Command.VERSION, new byte[size]).isRefused(7, Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        server.raw()
                .exchange(7, Command.VERSION, RawClient.version(0, 1, QEMU), memory.descriptor())
                .isRefused(7, Errno.EINVAL);
    }

    @Test
    void refusesAnythingElseAsTheFirstMessage() {
        RawClient client = server.raw();

        client.exchange(3, Command.DEVICE_GET_INFO, new Data().u32(16, 0, 0, 0).bytes())
                .isRefused(3, Errno.EINVAL);
        assertThat(client.receive()).as("end of the connection").isNull();
        assertThat(server.manager.opened).isEmpty();
    }

    @Test
    void refusesASecondVersionAndGoesOn() {
        RawClient client = server.raw().negotiated();

        client.exchange(7, Command.VERSION, RawClient.version(0, 1, QEMU)).isRefused(7, Errno.EINVAL);
        client.exchange(8, Command.DEVICE_GET_INFO, new Data().u32(16, 0, 0, 0).bytes())
                .isGood(8);
    }

    @Test
    void passesTheErrnoOfTheManagerOn() {
        server.manager.failure = new VfioException(Errno.ENODEV, "gone");

        server.raw().exchange(7, Command.VERSION, RawClient.version(0, 1, QEMU)).isRefused(7, Errno.ENODEV);
    }

    @Test
    void turnsADefectOfTheManagerIntoEio() {
        server.manager.failure = new IllegalStateException("defect, provoked by a test");

        server.raw().exchange(7, Command.VERSION, RawClient.version(0, 1, QEMU)).isRefused(7, Errno.EIO);
    }

    @Test
    void handsTheTwinSocketOver() {
        RawClient.Message reply = server.raw().negotiate("{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}\0");
        reply.descriptors().forEach(server::own);

        JsonObject twin = capabilities(reply).getJsonObject("twin_socket");
        assertThat(twin.getBoolean("supported")).isTrue();
        assertThat(twin.getInt("fd_index")).isZero();
        assertThat(reply.descriptors()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{\"supported\":false}"})
    void handsNoTwinSocketOverThatWasNotAskedFor(String twin) {
        RawClient.Message reply = server.raw().negotiate("{\"capabilities\":{\"twin_socket\":" + twin + "}}\0");

        assertThat(capabilities(reply).getJsonObject("twin_socket").getBoolean("supported"))
                .isFalse();
        assertThat(reply.descriptors()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void opensTheDeviceForAClientThatKnowsDynamicTrap(boolean proposed) {
        RawClient.Message reply = server.raw().negotiate("{\"capabilities\":{\"dynamic_trap\":" + proposed + "}}\0");

        assertThat(capabilities(reply).keySet()).containsExactly("dynamic_trap");
        assertThat(capabilities(reply).getBoolean("dynamic_trap")).isEqualTo(proposed);
        assertThat(server.device().features)
                .isEqualTo(proposed ? Set.of(ClientFeature.DYNAMIC_TRAP) : Set.<ClientFeature>of());
    }

    @Test
    void opensTheDeviceForAClientThatSaysNothingOfDynamicTrap() {
        assertThat(capabilities(server.raw().negotiate(QEMU)).keySet()).doesNotContain("dynamic_trap");
        assertThat(server.device().features).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void clientProposesDynamicTrapIfTold(boolean proposed) {
        VfioUserClient client = server.connect(ClientOptions.DEFAULT.withDynamicTrap(proposed));

        assertThat(client.negotiated().dynamicTrap()).isEqualTo(proposed);
        assertThat(server.device().features.contains(ClientFeature.DYNAMIC_TRAP))
                .isEqualTo(proposed);
    }

    @Test
    void clientSeesWhatWasAgreed() {
        VfioUserClient client = server.connect(ClientOptions.DEFAULT
                .withMinor(3)
                .withMaxDataXferSize(8192)
                .withWriteMultiple(false)
                .withTwinSocket(true)
                .withDynamicTrap(true));

        assertThat(client.negotiated()).isEqualTo(new Negotiated(1, 16, 8192, 65_535, 4096, false, true, 8192, true));
    }

    private static JsonObject capabilities(RawClient.Message reply) {
        byte[] json = new byte[reply.data().capacity() - 5];
        reply.data().get(4, json);
        try (JsonReader reader = Json.createReader(new StringReader(new String(json, StandardCharsets.UTF_8)))) {
            return reader.readObject().getJsonObject("capabilities");
        }
    }
}
