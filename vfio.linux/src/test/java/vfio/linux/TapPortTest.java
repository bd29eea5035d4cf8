package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.internal.PacketPortFactory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.PacketPort;
import vfio.pci.api.device.VfioException;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TapPortTest {
    private static final int TUNSETPERSIST = 0x400454cb;
    private static final Duration SOON = Duration.ofSeconds(10);

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(4096);
    private final ExecutorService thread = Executors.newSingleThreadExecutor();

    @TempDir
    Path folder;

    @AfterEach
    void stop() {
        thread.shutdownNow();
    }

    @Test
    void framesReachTheHost() throws Exception {
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            host.setUp(true);
            byte[] frame = frame(1500);
            bytes.put(100, frame);
            bytes.position(3).limit(2000);
            assertThat(port.send(bytes, 100, 1500)).isTrue();
            assertThat(bytes.position()).isEqualTo(3);
            assertThat(bytes.limit()).isEqualTo(2000);
            await().until(() -> arrived(host, frame));
            byte[] shortest = frame(14);
            assertThat(port.send(ByteBuffer.wrap(shortest), 0, 14)).isTrue();
            await().until(() -> arrived(host, shortest));
        }
    }

    @Test
    void framesOfTheHostArrive() throws Exception {
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            host.setUp(true);
            byte[] frame = frame(1514);
            host.send(frame);
            assertThat(receive(port, 1514)).isEqualTo(frame);
        }
    }

    @Test
    void aFrameThatDoesNotFitIsLost() throws Exception {
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            host.setUp(true);
            host.send(frame(1001));
            host.send(frame(1000));
            assertThat(receive(port, 1000)).isEqualTo(frame(1000));
        }
    }

    @Test
    void aPortThatIsDownLosesFrames() throws Exception {
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            assertThat(port.send(bytes, 0, 60)).isFalse();
            assertThat(port.receive(bytes, 0, 2000)).isZero();
            host.setUp(true);
            assertThat(port.send(bytes, 0, 60)).isTrue();
            host.setUp(false);
            assertThat(port.send(bytes, 0, 60)).isFalse();
        }
    }

    @Test
    void waitingEndsWithAFrame() throws Exception {
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            host.setUp(true);
            Future<byte[]> waiting = BlockedCall.start(thread, () -> receive(port, 2000));
            host.send(frame(77));
            assertThat(waiting.get(10, TimeUnit.SECONDS)).isEqualTo(frame(77));
        }
    }

    @Test
    void waitingEndsWithTheTimeout() {
        try (TapPort port = HostInterface.open()) {
            long start = System.nanoTime();
            assertThat(port.await(Duration.ofMillis(20))).isFalse();
            assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(20_000_000L);
        }
    }

    @Test
    void waitingEndsWithAWakeup() throws Exception {
        try (TapPort port = HostInterface.open()) {
            port.wakeup();
            assertThat(port.await(SOON)).isFalse();
            Future<Boolean> waiting = BlockedCall.start(thread, () -> port.await(SOON));
            port.wakeup();
            assertThat(waiting.get(5, TimeUnit.SECONDS)).isFalse();
            assertThat(port.await(Duration.ZERO)).isFalse();
        }
    }

    @Test
    void waitingEndsWithClose() {
        try (TapPort port = HostInterface.open()) {
            Future<Boolean> waiting = BlockedCall.start(thread, () -> port.await(SOON));
            port.close();
            assertThatThrownBy(() -> waiting.get(5, TimeUnit.SECONDS))
                    .isInstanceOf(ExecutionException.class)
                    .cause()
                    .isInstanceOfSatisfying(VfioException.class, failure -> assertThat(failure.errno())
                            .isEqualTo(Errno.EBADF));
        }
    }

    @Test
    void closeTakesTheInterfaceAway() {
        TapPort port = HostInterface.open();
        assertThat(HostInterface.exists(port.name())).isTrue();
        long files = ProcessState.openFiles();
        port.close();
        port.close();
        await().until(() -> !HostInterface.exists(port.name()));
        assertThat(ProcessState.openFiles()).isEqualTo(files - 2);
        port.wakeup();
        Expect.failure(Errno.EBADF, () -> port.send(bytes, 0, 60));
        Expect.failure(Errno.EBADF, () -> port.receive(bytes, 0, 60));
        Expect.failure(Errno.EBADF, () -> port.await(Duration.ZERO));
    }

    @Test
    void anExistingInterfaceIsUsedAndStays() throws Exception {
        String name;
        int index;
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            name = port.name();
            index = host.index();
            persist(port, true);
        }
        assertThat(HostInterface.exists(name)).isTrue();
        try (TapPort again = TapPort.open(name);
                HostInterface host = new HostInterface(name)) {
            persist(again, false);
            assertThat(again.name()).isEqualTo(name);
            assertThat(host.index()).isEqualTo(index);
        }
    }

    @Test
    void anInterfaceInUseIsRefused() {
        try (TapPort port = HostInterface.open()) {
            long files = ProcessState.openFiles();
            Expect.failure(Errno.EBUSY, () -> TapPort.open(port.name()))
                    .hasMessageContaining(port.name())
                    .hasMessageContaining("another program has it");
            assertThat(ProcessState.openFiles()).isEqualTo(files);
        }
    }

    @Test
    void anotherKindOfInterfaceIsRefused() {
        HostInterface.open().close();
        Expect.failure(Errno.EINVAL, () -> TapPort.open("lo")).hasMessageContaining("no TAP interface");
    }

    @Test
    void anInterfaceThatWasDeletedIsReported() throws Exception {
        try (TapPort port = HostInterface.open()) {
            assumeTrue(Files.isExecutable(Path.of("/usr/sbin/ip")), "needs /usr/sbin/ip");
            Future<Boolean> waiting = BlockedCall.start(thread, () -> port.await(SOON));
            Process delete = new ProcessBuilder("/usr/sbin/ip", "link", "delete", port.name())
                    .inheritIO()
                    .start();
            assertThat(delete.waitFor()).isZero();
            assertThat(waiting.get(5, TimeUnit.SECONDS)).isTrue();
            Expect.failure(Errno.ENODEV, () -> port.receive(bytes, 0, 100)).hasMessageContaining("was deleted");
            Expect.failure(Errno.ENODEV, () -> port.send(bytes, 0, 60)).hasMessageContaining("was deleted");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "sixteen-bytes-xx", "nul\0nul"})
    void namesThatCannotBeAreRefused(String name) {
        Expect.failure(Errno.EINVAL, () -> TapPort.open(name)).hasMessageContaining("1 to 15 bytes");
    }

    @Test
    void aMissingDeviceIsExplained() throws Exception {
        Expect.failure(Errno.ENOENT, () -> TapPort.open(folder.resolve("tun"), "tap0"))
                .hasMessageContaining("modprobe tun");
        Path file = Files.createFile(folder.resolve("file"));
        Expect.failure(Errno.ENOTTY, () -> TapPort.open(file, "tap0")).hasMessageContaining("tap0");
    }

    @Test
    void framesOfImpossibleLengthAreTheCallersFault() {
        try (TapPort port = HostInterface.open()) {
            assertThatThrownBy(() -> port.send(bytes, 0, 13)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> port.send(bytes, 0, 65_536)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> port.send(bytes, 4090, 60)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> port.receive(bytes, 4090, 60)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void framesAllocateNothing() throws Exception {
        try (TapPort port = HostInterface.open();
                HostInterface host = new HostInterface(port.name())) {
            host.setUp(true);
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            exchange(port);
            long before = threads.getCurrentThreadAllocatedBytes();
            exchange(port);
            assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(4096);
        }
    }

    @Test
    void theServiceOpensPorts() throws Exception {
        HostInterface.open().close();
        try (PacketPort port = new PacketPortFactory().open("vfiotest%d")) {
            assertThat(port.name()).matches("vfiotest\\d+");
        }
        assertThat(Path.of("target/classes/OSGI-INF/vfio.linux.internal.PacketPortFactory.xml"))
                .content()
                .contains(PacketPort.Factory.class.getName());
    }

    private void exchange(TapPort port) {
        for (int round = 0; round < 20_000; round++) {
            port.send(bytes, 0, 60);
            port.receive(bytes, 0, 2000);
        }
    }

    /** Receives the next frame of ours; the kernel has frames of its own to send. */
    private byte[] receive(TapPort port, int capacity) {
        while (port.await(SOON)) {
            int length = port.receive(bytes, 0, capacity);
            if (length > 0 && (bytes.getShort(12) & 0xffff) == HostInterface.ETHERTYPE) {
                byte[] frame = new byte[length];
                bytes.get(0, frame);
                return frame;
            }
        }
        throw new AssertionError("nothing arrived");
    }

    private static boolean arrived(HostInterface host, byte[] expected) {
        byte[] frame = host.receive();
        if (frame.length == 0) {
            return false;
        }
        assertThat(frame).isEqualTo(expected);
        return true;
    }

    private static void persist(TapPort port, boolean on) {
        int fd = port.descriptor().acquire();
        try {
            if (Libc.ioctl(fd, TUNSETPERSIST, on ? new byte[1] : null) < 0) {
                throw Failures.last("making a TAP interface persistent");
            }
        } finally {
            port.descriptor().release();
        }
    }

    /** From and to addresses that are not the interface's. */
    private static byte[] frame(int length) {
        byte[] frame = new byte[length];
        for (int index = 14; index < length; index++) {
            frame[index] = (byte) index;
        }
        frame[0] = 2;
        frame[6] = 2;
        frame[11] = 1;
        frame[12] = (byte) (HostInterface.ETHERTYPE >> 8);
        frame[13] = (byte) HostInterface.ETHERTYPE;
        return frame;
    }
}
