package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.assertRefused;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.Descriptor;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;
import vfio.user.client.VfioUserClient;
import vfio.user.internal.Command;

class SetIrqsTest {
    private static final int NONE = 1;
    private static final int BOOL = 2;
    private static final int EVENTFD = 4;
    private static final int MASK = 8;
    private static final int UNMASK = 16;
    private static final int TRIGGER = 32;
    private static final int MSIX = PciInterrupt.MSIX;

    @AutoClose
    final TestServer server = new TestServer();

    final VfioUserClient client = server.connect();

    @Test
    void connectsAnEventfd() {
        try (EventFd event = client.enableIrq(MSIX, 3)) {
            server.device().connected.get(MSIX).get(3).signal();

            assertThat(event.drain()).isEqualTo(1);
        }
    }

    @Test
    void connectsMoreVectorsThanFitInOneMessage() {
        List<EventFd> events = new ArrayList<>();
        for (int vector = 0; vector < FakeDevice.VECTORS; vector++) {
            events.add(server.own(EventFd.create()));
        }

        client.setIrqs(MSIX, InterruptAction.TRIGGER, 0, events);

        assertThat(server.device().events)
                .containsExactly("connect 2 TRIGGER 0+16", "connect 2 TRIGGER 16+16", "connect 2 TRIGGER 32+8");
        server.device().connected.get(MSIX).forEach((vector, signal) -> {
            signal.signal();
            assertThat(events.get(vector).drain()).as("vector %s", vector).isEqualTo(1);
        });
    }

    @Test
    void sendsRunsOfEventsAndOfNothing() {
        EventFd event = server.own(EventFd.create());
        List<EventFd> events = new ArrayList<>(Collections.nCopies(5, null));
        events.set(0, event);
        events.set(3, event);

        client.setIrqs(MSIX, InterruptAction.TRIGGER, 10, events);

        assertThat(server.device().events)
                .containsExactly(
                        "connect 2 TRIGGER 10+1",
                        "connect 2 TRIGGER 11+2",
                        "connect 2 TRIGGER 13+1",
                        "connect 2 TRIGGER 14+1");
        assertThat(server.device().connected.get(MSIX)).containsOnlyKeys(10, 13);
    }

    @Test
    void replacesAnEventfdAndGivesTheOldOneUp() {
        int before = TestServer.descriptors();
        for (int round = 0; round < 3; round++) {
            client.enableIrq(MSIX, 0).close();
        }
        assertThat(TestServer.descriptors()).isEqualTo(before + 1);
    }

    @Test
    void disconnectsAVectorWithoutADescriptor() {
        client.enableIrq(MSIX, 1).close();

        client.setIrqs(MSIX, InterruptAction.TRIGGER, 1, Collections.singletonList(null));

        assertThat(server.device().connected.get(MSIX)).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"MASK", "UNMASK"})
    void connectsEventsOfMasking(InterruptAction action) {
        client.setIrqs(MSIX, action, 0, List.of(server.own(EventFd.create())));

        assertThat(server.device().events).containsExactly("connect 2 " + action + " 0+1");
    }

    @Test
    void refusesAnEventThatWouldHaveToBeListenedTo() {
        List<EventFd> event = List.of(server.own(EventFd.create()));

        assertThatThrownBy(() -> client.setIrqs(PciInterrupt.INTX, InterruptAction.UNMASK, 0, event))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));

        assertThat(server.device().events).isEmpty();
        client.setIrqs(PciInterrupt.INTX, InterruptAction.MASK, 0, event);
    }

    @ParameterizedTest
    @EnumSource
    void actsOnARange(InterruptAction action) {
        client.setIrqs(MSIX, action, 4, 3);

        assertThat(server.device().events).containsExactly("act 2 " + action + " 4+3");
    }

    @ParameterizedTest
    @EnumSource
    void actsOnASelection(InterruptAction action) {
        client.setIrqs(MSIX, action, 4, new boolean[] {true, false, true});

        assertThat(server.device().events).containsExactly("act 2 " + action + " 4+1", "act 2 " + action + " 6+1");
    }

    @Test
    void disablesAnIndex() {
        client.enableIrq(MSIX, 0).close();

        client.disableIrqs(MSIX);

        assertThat(server.device().events).contains("disable 2");
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0,
                NONE,
                TRIGGER,
                NONE | BOOL | TRIGGER,
                NONE | EVENTFD | TRIGGER,
                NONE | MASK | UNMASK,
                EVENTFD | MASK | TRIGGER,
                NONE | TRIGGER | 64,
                NONE | TRIGGER | Integer.MIN_VALUE,
                -1
            })
    void refusesBadFlags(int flags) {
        assertRefused(client, Command.DEVICE_SET_IRQS, request(20, flags, MSIX, 0, 1), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {5, Integer.MAX_VALUE, -1})
    void refusesABadIndex(int index) {
        assertRefused(client, Command.DEVICE_SET_IRQS, request(20, NONE | TRIGGER, index, 0, 1), Errno.EINVAL);
    }

    @ParameterizedTest
    @CsvSource({
        "40, 1",
        "0, 41",
        "39, 2",
        "-1, 1",
        "1, -1",
        "-1, -1",
        "0, -2147483648",
        "-2147483648, 1",
        "2147483647, 1",
        "1, 2147483647"
    })
    void refusesABadRange(int start, int count) {
        for (int data : new int[] {NONE, BOOL, EVENTFD}) {
            assertRefused(
                    client, Command.DEVICE_SET_IRQS, request(20, data | TRIGGER, MSIX, start, count), Errno.EINVAL);
        }
        assertThat(server.device().events).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"8, 0", "16, 0", "32, 1"})
    void refusesACountOfNothingThatDoesNotDisable(int action, int start) {
        assertRefused(client, Command.DEVICE_SET_IRQS, request(20, NONE | action, MSIX, start, 0), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {BOOL, EVENTFD})
    void refusesDataForNothing(int data) {
        assertRefused(client, Command.DEVICE_SET_IRQS, request(20, data | TRIGGER, MSIX, 0, 0), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 16, 19})
    void refusesAShortMessage(int size) {
        assertRefused(client, Command.DEVICE_SET_IRQS, new byte[size], Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 19})
    void refusesASmallerArgsz(int argsz) {
        assertRefused(client, Command.DEVICE_SET_IRQS, request(argsz, NONE | TRIGGER, MSIX, 0, 1), Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {NONE, EVENTFD})
    void refusesDataThatDoesNotBelong(int data) {
        byte[] longer = new Data().u32(24, data | TRIGGER, MSIX, 0, 1).u32(0).bytes();

        assertRefused(client, Command.DEVICE_SET_IRQS, longer, Errno.EINVAL);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void refusesAnotherNumberOfBooleans(int booleans) {
        byte[] data = new Data()
                .u32(20 + booleans, BOOL | TRIGGER, MSIX, 0, 2)
                .raw(new byte[booleans])
                .bytes();

        assertRefused(client, Command.DEVICE_SET_IRQS, data, Errno.EINVAL);
    }

    @Test
    void refusesMoreOrFewerDescriptorsThanVectors() {
        Descriptor event = descriptor();

        assertRefused(
                client,
                Command.DEVICE_SET_IRQS,
                request(20, EVENTFD | TRIGGER, MSIX, 0, 1),
                Errno.EINVAL,
                event,
                event);
        assertRefused(client, Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, MSIX, 0, 2), Errno.EINVAL, event);
        assertThat(server.device().events).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {NONE, BOOL})
    void refusesDescriptorsWithOtherData(int data) {
        byte[] request = new Data()
                .u32(20, data | TRIGGER, MSIX, 0, 1)
                .raw(new byte[data == BOOL ? 1 : 0])
                .bytes();

        assertRefused(client, Command.DEVICE_SET_IRQS, request, Errno.EINVAL, descriptor());
        assertThat(server.device().events).isEmpty();
    }

    @Test
    void refusesMoreDescriptorsThanAgreed() {
        Descriptor[] events = Collections.nCopies(17, descriptor()).toArray(Descriptor[]::new);

        assertRefused(
                client, Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, MSIX, 0, 17), Errno.EMFILE, events);
    }

    @Test
    void refusesADescriptorThatIsNoEventfdAndKeepsNone() {
        MappedMemory memory = server.own(MappedMemory.allocate("no event", 4096));
        Descriptor event = descriptor();
        int before = TestServer.descriptors();

        assertRefused(
                client,
                Command.DEVICE_SET_IRQS,
                request(20, EVENTFD | TRIGGER, MSIX, 0, 3),
                Errno.EINVAL,
                event,
                memory.descriptor(),
                event);

        TestServer.awaitDescriptors(before);
    }

    @Test
    void keepsNoDescriptorIfTheDeviceRefuses() {
        Descriptor event = descriptor();
        int before = TestServer.descriptors();
        server.device().failure = new VfioException(Errno.ENOSPC, "no vectors");

        assertRefused(client, Command.DEVICE_SET_IRQS, request(20, EVENTFD | TRIGGER, MSIX, 0, 1), Errno.ENOSPC, event);

        TestServer.awaitDescriptors(before);
    }

    @Test
    void clientClosesTheEventItCouldNotConnect() {
        int before = TestServer.descriptors();

        assertThatThrownBy(() -> client.enableIrq(MSIX, 40)).isInstanceOf(VfioException.class);

        TestServer.awaitDescriptors(before);
        assertAlive(client);
    }

    private Descriptor descriptor() {
        try (EventFd event = EventFd.create()) {
            return server.own(event.duplicateDescriptor());
        }
    }

    private static byte[] request(int argsz, int flags, int index, int start, int count) {
        return new Data().u32(argsz, flags, index, start, count).bytes();
    }
}
