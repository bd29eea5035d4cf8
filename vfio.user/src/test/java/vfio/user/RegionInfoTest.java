package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.TestServer.assertRefused;

import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class RegionInfoTest {
    private static final int SPARSE_NEEDED = 32 + 16 + 2 * 16;

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @Test
    void describesATrappedRegion() {
        assertThat(client.regionInfo(FakeDevice.TRAPPED))
                .isEqualTo(RegionInfo.trapped(FakeDevice.TRAPPED, FakeDevice.TRAPPED_SIZE));
    }

    @Test
    void describesAnAbsentRegion() {
        assertThat(client.regionInfo(FakeDevice.ABSENT)).isEqualTo(RegionInfo.absent(FakeDevice.ABSENT));
    }

    @Test
    void describesSparseAreas() {
        assertThat(client.regionInfo(FakeDevice.SPARSE))
                .isEqualTo(RegionInfo.mappable(FakeDevice.SPARSE, FakeDevice.SPARSE_SIZE)
                        .withAreas(FakeDevice.AREAS));
    }

    @Test
    void describesADeviceSpecificRegion() {
        RegionInfo info = client.regionInfo(FakeDevice.TYPED);

        assertThat(info.type()).isEqualTo(FakeDevice.TYPE);
        assertThat(info.subtype()).isEqualTo(FakeDevice.SUBTYPE);
    }

    @Test
    void chainsTwoCapabilities() {
        RegionInfo info = client.regionInfo(FakeDevice.TYPED_AND_SPARSE);

        assertThat(info.areas()).isEqualTo(FakeDevice.AREAS);
        assertThat(info.type()).isEqualTo(FakeDevice.TYPE);
    }

    @Test
    void mapsTheMemoryOfTheDevice() {
        try (MappedMemory whole = client.map(FakeDevice.WHOLE);
                MappedMemory part = client.map(FakeDevice.SPARSE, SparseArea.direct(0x5000, 0x1000))) {
            whole.putInt(0x1ffc, 0x1234_5678);
            part.putInt(8, 0x0bad_cafe);

            assertThat(server.device().memory(FakeDevice.WHOLE).getInt(0x1ffc)).isEqualTo(0x1234_5678);
            assertThat(server.device().memory(FakeDevice.SPARSE).getInt(0x5008)).isEqualTo(0x0bad_cafe);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {32, SPARSE_NEEDED - 1})
    void saysHowMuchRoomIsNeededAndLeavesCapabilitiesOut(int room) {
        try (Reply reply = ask(room, FakeDevice.SPARSE)) {
            assertThat(reply.data().capacity()).isEqualTo(32);
            assertThat(reply.data().getInt(0)).isEqualTo(SPARSE_NEEDED);
            assertThat(reply.data().getInt(4)).as("flags without CAPS").isEqualTo(7);
            assertThat(reply.data().getInt(12)).as("cap_offset").isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {SPARSE_NEEDED, SPARSE_NEEDED + 1, -1})
    void sendsCapabilitiesThatFit(int room) {
        try (Reply reply = ask(room, FakeDevice.SPARSE)) {
            assertThat(reply.data().capacity()).isEqualTo(SPARSE_NEEDED);
            assertThat(reply.data().getInt(0)).isEqualTo(SPARSE_NEEDED);
            assertThat(reply.data().getInt(4)).as("flags with CAPS").isEqualTo(15);
            assertThat(reply.data().getInt(12)).as("cap_offset").isEqualTo(32);
            assertThat(reply.data().getShort(32)).as("id").isEqualTo((short) 1);
            assertThat(reply.data().getShort(34)).as("version").isEqualTo((short) 1);
            assertThat(reply.data().getInt(36)).as("next").isZero();
            assertThat(reply.data().getInt(40)).as("nr_areas").isEqualTo(2);
            assertThat(reply.descriptors()).hasSize(1);
        }
    }

    @Test
    void sendsADescriptorWithMappableRegionsOnly() {
        try (Reply mappable = ask(32, FakeDevice.WHOLE);
                Reply trapped = ask(32, FakeDevice.TRAPPED)) {
            assertThat(mappable.descriptors()).hasSize(1);
            assertThat(trapped.descriptors()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {11, 255, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void refusesABadIndex(int index) {
        assertRefused(client, Command.DEVICE_GET_REGION_INFO, request(32, index), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 16, 31, 33, 64})
    void refusesAnotherSize(int size) {
        byte[] data = new byte[size];
        if (size > 0) {
            data[0] = 32;
        }
        assertRefused(client, Command.DEVICE_GET_REGION_INFO, data, Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 31})
    void refusesTooLittleRoom(int room) {
        assertRefused(client, Command.DEVICE_GET_REGION_INFO, request(room, 0), Errno.EINVAL);
    }

    @Test
    void refusesDescriptors() {
        MappedMemory memory = server.own(MappedMemory.allocate("unwanted", 4096));

        assertRefused(client, Command.DEVICE_GET_REGION_INFO, request(32, 0), Errno.EINVAL, memory.descriptor());
    }

    private Reply ask(int room, int region) {
        Reply reply = client.request(Command.DEVICE_GET_REGION_INFO.number(), request(room, region), List.of());
        assertThat(reply.error()).isFalse();
        return reply;
    }

    private static byte[] request(int room, int region) {
        return new Data().u32(room, 0, region, 0).u64(0, 0).bytes();
    }
}
