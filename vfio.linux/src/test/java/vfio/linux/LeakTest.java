package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;

/** Opening and closing leaves nothing behind. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LeakTest {
    private static final int ROUNDS = 1_000;

    @TempDir
    Path folder;

    @Test
    void wholeLivesLeaveNoDescriptorAndNoMapping() {
        live();
        long files = ProcessState.openFiles();
        for (int round = 0; round < ROUNDS; round++) {
            live();
        }
        assertThat(ProcessState.openFiles()).isEqualTo(files);
        assertThat(ProcessState.mappings("memfd:")).isZero();
    }

    @Test
    void buffersOfSocketsAndCopiesAreUnmapped() {
        buffers();
        long before = ProcessState.virtualKilobytes();
        for (int round = 0; round < 10 * ROUNDS; round++) {
            buffers();
        }
        // A round maps 8 KiB for sockets and 512 KiB for copies: a leak of either is 80 MiB at least.
        assertThat(ProcessState.virtualKilobytes() - before).isLessThan(40 << 10);
    }

    private void live() {
        Path path = folder.resolve("s");
        try (UnixListener listener = UnixListener.bind(path, 0600);
                UnixSocket client = UnixSocket.connect(path);
                UnixSocket server = listener.accept();
                NativeBuffer buffer = NativeBuffer.allocate(1 << 24);
                ReceivedDescriptors sink = new ReceivedDescriptors(4);
                EventFd event = EventFd.create();
                Poller<String> poller = new Poller<>();
                MappedMemory memory = MappedMemory.allocate("leak", 1 << 20);
                Descriptor unsealed = TestFiles.unsealed(4096);
                Descriptor copy = event.duplicateDescriptor()) {
            poller.add(server, "server");
            client.send(buffer, 0, 1, List.of(memory.descriptor(), copy, unsealed, unsealed, unsealed));
            poller.await(Duration.ofSeconds(1));
            server.receive(buffer, 0, 1, sink);
            MappedMemory.map(sink.take(0), 0, 1 << 20, true).close();
            EventFd.of(sink.take(1)).close();
            MappedMemory.map(sink.take(2), 0, 4096, true).close();
            Expect.failure(Errno.EINVAL, () -> MappedMemory.map(unsealed, 0, 4097, true));
            Expect.failure(Errno.EINVAL, () -> EventFd.of(unsealed));
            Expect.failure(Errno.EADDRINUSE, () -> UnixListener.bind(path, 0600));
            Expect.failure(Errno.ENOENT, () -> UnixSocket.connect(folder.resolve("absent")));
        }
    }

    private static void buffers() {
        UnixSocket.pair().close();
        MappedMemory.map(TestFiles.unsealed(4096), 0, 4096, true).close();
    }
}
