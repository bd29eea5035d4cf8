package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.user.ClientTest.assertFails;
import static vfio.user.TestServer.assertRefused;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.EventFd;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.pci.PciInterrupt;
import vfio.user.client.ClientOptions;
import vfio.user.client.Reply;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

/** What a client that agreed on dynamic trap sees on the wire, and what it says. */
class DynamicTrapTest {
    private static final int TRAP_CHANGED = PciInterrupt.TRAP_CHANGED;
    private static final int NEEDED = 32 + 16 + 4 * 24;

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect(ClientOptions.DEFAULT.withDynamicTrap(true));

    @Test
    void describesAreasWithFlags() {
        try (Reply reply = ask(NEEDED, FakeDevice.SPARSE)) {
            assertThat(reply.data().capacity()).isEqualTo(NEEDED);
            assertThat(reply.data().getInt(0)).as("argsz").isEqualTo(NEEDED);
            assertThat(reply.data().getInt(4)).as("flags with CAPS").isEqualTo(15);
            assertThat(reply.data().getInt(12)).as("cap_offset").isEqualTo(32);
            assertThat(reply.data().getShort(32)).as("id").isEqualTo((short) 1);
            assertThat(reply.data().getShort(34)).as("version").isEqualTo((short) 2);
            assertThat(reply.data().getInt(36)).as("next").isZero();
            assertThat(reply.data().getInt(40)).as("nr_areas").isEqualTo(4);
            assertThat(reply.data().getInt(44)).as("reserved").isZero();
            int at = 48;
            for (SparseArea area : FakeDevice.ALL_AREAS) {
                assertThat(reply.data().getLong(at)).as("offset").isEqualTo(area.offset());
                assertThat(reply.data().getLong(at + 8)).as("size").isEqualTo(area.size());
                assertThat(reply.data().getInt(at + 16)).as("flags").isEqualTo(area.disablable() ? 1 : 0);
                assertThat(reply.data().getInt(at + 20)).as("reserved").isZero();
                at += 24;
            }
            assertThat(reply.descriptors()).hasSize(1);
        }
    }

    /** The reply is composed in the buffer of the one before. */
    @Test
    void leavesNothingOfAnEarlierReplyInReservedFields() {
        client.write(FakeDevice.TRAPPED, 0, ByteBuffer.wrap(filled(200)));
        client.read(FakeDevice.TRAPPED, 0, 200);

        describesAreasWithFlags();
    }

    @Test
    void saysHowMuchRoomIsNeeded() {
        try (Reply reply = ask(NEEDED - 1, FakeDevice.SPARSE)) {
            assertThat(reply.data().capacity()).isEqualTo(32);
            assertThat(reply.data().getInt(0)).isEqualTo(NEEDED);
            assertThat(reply.data().getInt(4)).as("flags without CAPS").isEqualTo(7);
        }
    }

    @Test
    void clientReadsAreasWithFlags() {
        assertThat(client.regionInfo(FakeDevice.SPARSE).areas()).isEqualTo(FakeDevice.ALL_AREAS);
        assertThat(client.regionInfo(FakeDevice.TYPED_AND_SPARSE).areas()).isEqualTo(FakeDevice.AREAS);
        assertThat(client.regionInfo(FakeDevice.TYPED_AND_SPARSE).type()).isEqualTo(FakeDevice.TYPE);
        assertThat(client.regionInfo(FakeDevice.WHOLE))
                .isEqualTo(RegionInfo.mappable(FakeDevice.WHOLE, FakeDevice.WHOLE_SIZE));
    }

    @Test
    void keepsBackWhatIsToBeTrapped() {
        server.device().trap(true);

        assertThat(client.regionInfo(FakeDevice.SPARSE).areas()).isEqualTo(FakeDevice.AREAS);
        try (Reply reply = ask(4096, FakeDevice.DISABLABLE)) {
            assertThat(reply.data().getInt(4)).as("flags without MMAP").isEqualTo(3);
            assertThat(reply.descriptors()).isEmpty();
        }
    }

    /** The description was looked up before the change, the memory after it. */
    @Test
    void offersNothingThatIsWithdrawnWhileItIsDescribed() {
        AtomicBoolean once = new AtomicBoolean(true);
        server.device().afterInfo = info -> {
            if (info.index() == FakeDevice.DISABLABLE && once.compareAndSet(true, false)) {
                server.device().trap(true);
            }
            return info;
        };

        try (Reply reply = ask(4096, FakeDevice.DISABLABLE)) {
            assertThat(reply.data().getInt(4)).as("flags without MMAP and CAPS").isEqualTo(3);
            assertThat(reply.data().getInt(0)).as("argsz").isEqualTo(32);
            assertThat(reply.descriptors()).isEmpty();
        }
        assertFails(Errno.EINVAL, () -> client.map(FakeDevice.DISABLABLE, SparseArea.direct(0x1000, 0x1000)));
    }

    /** When the first request was answered there were fewer areas, so the second needs more room than that said. */
    @Test
    void clientReadsAreasThatBecameMoreWhileItAsked() {
        server.device().trap(true);
        AtomicInteger lookups = new AtomicInteger();
        server.device().beforeInfo = region -> {
            if (lookups.incrementAndGet() == 2) {
                server.device().trap(false);
            }
        };

        assertThat(client.regionInfo(FakeDevice.SPARSE).areas()).isEqualTo(FakeDevice.ALL_AREAS);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aChangeIsSignalledAndAcknowledgedByUnmasking(boolean byBool) {
        try (EventFd event = client.enableIrq(TRAP_CHANGED, 0)) {
            server.device().trap(true);
            assertThat(event.drain()).isEqualTo(1);
            assertThat(server.device().trapStatus().inForce()).isFalse();

            if (byBool) {
                client.setIrqs(TRAP_CHANGED, InterruptAction.UNMASK, 0, new boolean[] {true});
            } else {
                client.setIrqs(TRAP_CHANGED, InterruptAction.UNMASK, 0, 1);
            }

            assertThat(server.device().trapStatus().inForce()).isTrue();
            assertThat(event.drain()).isZero();
        }
    }

    @Test
    void aBoolThatIsNotSetAcknowledgesNothing() {
        try (EventFd event = client.enableIrq(TRAP_CHANGED, 0)) {
            server.device().trap(true);
            client.setIrqs(TRAP_CHANGED, InterruptAction.UNMASK, 0, new boolean[] {false});

            assertThat(event.drain()).isEqualTo(1);
            assertThat(server.device().trapStatus().inForce()).isFalse();
        }
    }

    @Test
    void refusesAnEventfdToAcknowledgeBy() {
        List<EventFd> event = List.of(server.own(EventFd.create()));

        assertFails(Errno.EINVAL, () -> client.setIrqs(TRAP_CHANGED, InterruptAction.UNMASK, 0, event));
    }

    @Test
    void hasOneVectorOnly() {
        assertFails(Errno.EINVAL, () -> client.enableIrq(TRAP_CHANGED, 1));
        assertFails(Errno.EINVAL, () -> client.setIrqs(TRAP_CHANGED, InterruptAction.UNMASK, 0, 2));
        assertFails(Errno.EINVAL, () -> client.irqInfo(TRAP_CHANGED + 1));
    }

    @Test
    void isUnknownToOtherClients() {
        client.close();
        VfioUserClient other = server.connect();

        assertRefused(
                other,
                Command.DEVICE_SET_IRQS,
                new Data().u32(20, 1 | 16, TRAP_CHANGED, 0, 1).bytes(),
                Errno.EINVAL);
        assertThat(other.regionInfo(FakeDevice.SPARSE).areas()).isEqualTo(FakeDevice.AREAS);
    }

    private Reply ask(int room, int region) {
        byte[] request = new Data().u32(room, 0, region, 0).u64(0, 0).bytes();
        Reply reply = client.request(Command.DEVICE_GET_REGION_INFO.number(), request, List.of());
        assertThat(reply.error()).isFalse();
        return reply;
    }

    private static byte[] filled(int size) {
        byte[] data = new byte[size];
        Arrays.fill(data, (byte) 0xff);
        return data;
    }
}
