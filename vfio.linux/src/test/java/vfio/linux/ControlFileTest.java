package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** What is common to all files that are controlled; what drivers make of it is seen in guests. */
@Timeout(30)
class ControlFileTest {
    private static final int FIONREAD = 0x541b;
    private static final int PAGE = 4096;

    @TempDir
    Path folder;

    @Test
    void opensDeviceNodes() {
        try (ControlFile file = ControlFile.open(Path.of("/dev/null"))) {
            refused(Errno.ENOTTY, () -> file.call(FIONREAD, structure()));
            refused(Errno.ENOTTY, () -> file.call(FIONREAD, 7));
            refused(Errno.ENOTTY, () -> file.open(FIONREAD, "name"));
        }
        refused(Errno.ENOENT, () -> ControlFile.open(folder.resolve("none")));
    }

    @Test
    void theKernelChangesTheStructure() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (NativeBuffer buffer = NativeBuffer.allocate(PAGE);
                ControlFile file =
                        new KernelFile(new Descriptor(pair.second().descriptor().duplicateNumber()))) {
            pair.first().send(buffer, 0, 77);
            ByteBuffer structure = structure();
            assertThat(file.call(FIONREAD, structure)).isZero();
            assertThat(structure.getInt(0)).isEqualTo(77);
        } finally {
            pair.close();
        }
    }

    @Test
    void descriptorsAndAddressesArePutIn() {
        try (ControlFile file = ControlFile.open(Path.of("/dev/null"));
                EventFd event = EventFd.create();
                MappedMemory memory = MappedMemory.allocate("memory", PAGE)) {
            ByteBuffer events = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
            refused(Errno.ENOTTY, () -> file.call(FIONREAD, events, 4, Arrays.asList(event, null, event)));
            assertThat(events.getInt(4)).isPositive().isEqualTo(events.getInt(12));
            assertThat(events.getInt(8)).isEqualTo(-1);
            ByteBuffer address = structure();
            refused(Errno.ENOTTY, () -> file.call(FIONREAD, address, 0, memory));
            assertThat(address.getLong(0) % PAGE).isZero();
            assertThat(address.getLong(0)).isNotZero();
            ByteBuffer other = structure();
            refused(Errno.ENOTTY, () -> file.call(FIONREAD, other, 0, file));
            assertThat(other.getInt(0)).isPositive();
            event.close();
            refused(Errno.EBADF, () -> file.call(FIONREAD, events, 4, List.of(event)));
        }
    }

    @Test
    void memoryIsReadAndWrittenThroughTheFile() throws IOException {
        Path path = Files.write(folder.resolve("device"), new byte[2 * PAGE]);
        try (ControlFile file = ControlFile.open(path);
                MappedMemory memory = file.memory(PAGE, PAGE, true)) {
            memory.putByte(0, (byte) 1);
            memory.putShort(2, 0x2223);
            memory.putInt(4, 0x44454647);
            memory.putLong(8, 0x8889_8a8b_8c8d_8e8fL);
            memory.put(100, ByteBuffer.wrap("in the device".getBytes(StandardCharsets.US_ASCII)));
            assertThat(memory.getByte(0)).isEqualTo((byte) 1);
            assertThat(memory.getShort(2)).isEqualTo(0x2223);
            assertThat(memory.getInt(4)).isEqualTo(0x44454647);
            assertThat(memory.getLong(8)).isEqualTo(0x8889_8a8b_8c8d_8e8fL);
            byte[] read = new byte[13];
            memory.get(100, ByteBuffer.wrap(read));
            assertThat(new String(read, StandardCharsets.US_ASCII)).isEqualTo("in the device");
            byte[] all = Files.readAllBytes(path);
            assertThat(all[PAGE + 2]).isEqualTo((byte) 0x23);
            assertThat(memory.fileOffset()).isEqualTo(PAGE);
            refused(Errno.EINVAL, () -> file.call(FIONREAD, structure(), 0, memory));
            refused(Errno.EFAULT, () -> memory.getInt(PAGE));
        }
    }

    @Test
    void aDeviceThatReadsNothingFailsForTheCaller() throws IOException {
        Path path = Files.write(folder.resolve("device"), new byte[PAGE]);
        try (ControlFile file = ControlFile.open(path)) {
            MappedMemory memory = file.memory(0, 2 * PAGE, false);
            refused(Errno.EIO, () -> memory.getInt(PAGE));
            refused(Errno.EACCES, () -> memory.putInt(0, 1));
            file.close();
            assertThat(memory.getInt(0)).isZero();
            memory.close();
            refused(Errno.EFAULT, () -> memory.getInt(0));
            refused(Errno.EBADF, () -> file.call(FIONREAD, structure()));
        }
    }

    @Test
    void readsEventsOfTheKernel() {
        assertThat(Uevent.properties("bind@/devices/pci0000:00/0000:00:06.0\0ACTION=bind\0SUBSYSTEM=pci\0EMPTY=\0"))
                .containsOnly(Map.entry("ACTION", "bind"), Map.entry("SUBSYSTEM", "pci"), Map.entry("EMPTY", ""));
        assertThat(Uevent.properties("")).isEmpty();
        assertThat(Uevent.properties("libudev\0\u0001=\0=x")).isEqualTo(Map.of("\u0001", ""));
    }

    @Test
    void thereIsNoEventAtFirst() {
        UeventSocket socket = UeventSocket.open();
        assertThat(socket.receive()).isNull();
        socket.close();
        refused(Errno.EBADF, socket::receive);
    }

    private static ByteBuffer structure() {
        return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void refused(Errno errno, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(errno));
    }
}
