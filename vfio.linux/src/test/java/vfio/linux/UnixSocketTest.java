package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UnixSocketTest {
    private final UnixSocket.Pair pair = UnixSocket.pair();
    private final UnixSocket near = pair.first();
    private final UnixSocket far = pair.second();
    private final NativeBuffer out = NativeBuffer.allocate(1 << 20);
    private final NativeBuffer in = NativeBuffer.allocate(1 << 20);
    private final ExecutorService thread = Executors.newSingleThreadExecutor();

    @TempDir
    Path folder;

    @AfterEach
    void close() throws InterruptedException {
        pair.close();
        thread.shutdown();
        assertThat(thread.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
        out.close();
        in.close();
    }

    @Test
    void carriesBytesBothWays() {
        out.bytes().putLong(8, 0x1122334455667788L);
        near.send(out, 8, 8);
        assertThat(far.receive(in, 100, 1000)).isEqualTo(8);
        assertThat(in.bytes().getLong(100)).isEqualTo(0x1122334455667788L);

        far.send(in, 100, 4);
        assertThat(near.receive(out, 0, 4)).isEqualTo(4);
        assertThat(out.bytes().getInt(0)).isEqualTo(0x55667788);
    }

    @Test
    void receiveTakesAtMostWhatIsAskedFor() {
        near.send(out, 0, 10);
        assertThat(far.receive(in, 0, 4)).isEqualTo(4);
        assertThat(far.receive(in, 0, 100)).isEqualTo(6);
    }

    @Test
    void reportsTheEndOfTheStream() {
        near.close();
        assertThat(far.receive(in, 0, 10)).isZero();
        assertThat(far.receiveFully(in, 0, 10)).isFalse();
    }

    @Test
    void receivesFullyWhatComesInPieces() throws Exception {
        Future<Boolean> received = thread.submit(() -> far.receiveFully(in, 0, 100));
        for (int index = 0; index < 100; index += 10) {
            out.bytes().put(index, (byte) index);
            near.send(out, index, 10);
        }
        assertThat(received.get(10, TimeUnit.SECONDS)).isTrue();
        assertThat(in.bytes().get(90)).isEqualTo((byte) 90);
    }

    @Test
    void refusesAStreamThatEndsInTheMiddle() {
        near.send(out, 0, 3);
        near.close();
        Expect.failure(Errno.ECONNRESET, () -> far.receiveFully(in, 0, 10)).hasMessageContaining("3 of 10");
    }

    @Test
    void sendsMoreThanTheKernelTakesAtOnce() throws Exception {
        for (int index = 0; index < out.capacity(); index += 4) {
            out.bytes().putInt(index, index * 31);
        }
        Future<?> sent = thread.submit(() -> near.send(out, 0, out.capacity()));
        assertThat(far.receiveFully(in, 0, in.capacity())).isTrue();
        sent.get(10, TimeUnit.SECONDS);
        assertThat(in.bytes().mismatch(out.bytes())).isEqualTo(-1);
    }

    @Test
    void sendingNothingIsNothing() {
        near.send(out, 0, 0);
        far.receiveTimeout(Duration.ofMillis(1));
        Expect.failure(Errno.ETIMEDOUT, () -> far.receive(in, 0, 1));
    }

    @Test
    void failsWithoutSignalWhenThePeerHasGone() {
        far.close();
        Expect.failure(Errno.EPIPE, () -> near.send(out, 0, 1)).hasMessageContaining("connect again");
    }

    @Test
    void reportsAPeerThatWentWithoutReading() {
        near.send(out, 0, 1);
        far.close();
        Expect.failure(Errno.ECONNRESET, () -> near.receive(in, 0, 1));
    }

    @Test
    void boundsTheWait() {
        far.receiveTimeout(Duration.ofMillis(20));
        long start = System.nanoTime();
        Expect.failure(Errno.ETIMEDOUT, () -> far.receive(in, 0, 1));
        assertThat(System.nanoTime() - start).isGreaterThan(10_000_000L);

        far.receiveTimeout(Duration.ofNanos(1));
        Expect.failure(Errno.ETIMEDOUT, () -> far.receiveFully(in, 0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> far.receiveTimeout(Duration.ofMillis(-1)));
    }

    @Test
    void zeroTimeoutWaitsAgain() throws Exception {
        far.receiveTimeout(Duration.ofMillis(1));
        far.receiveTimeout(Duration.ZERO);
        Future<Integer> received = blocked(() -> far.receive(in, 0, 1));
        near.send(out, 0, 1);
        assertThat(received.get(10, TimeUnit.SECONDS)).isEqualTo(1);
    }

    @Test
    void shutdownWakesAThreadThatReceives() throws Exception {
        Future<Integer> received = blocked(() -> far.receive(in, 0, 1));
        far.shutdown();
        assertThat(received.get(10, TimeUnit.SECONDS)).isZero();
        far.shutdown();
        assertThat(far.isClosed()).isFalse();
    }

    @Test
    void closeWakesAThreadThatReceivesAndReleasesTheDescriptorAfterIt() throws Exception {
        long before = ProcessState.openFiles();
        Future<Integer> received = blocked(() -> far.receive(in, 0, 1));
        far.close();
        assertThat(received.get(10, TimeUnit.SECONDS)).isZero();
        assertThat(ProcessState.openFiles()).isEqualTo(before - 1);
        Expect.failure(Errno.EBADF, () -> far.receive(in, 0, 1));
        Expect.failure(Errno.EBADF, () -> far.send(in, 0, 1));
        far.shutdown();
        far.close();
    }

    @Test
    void closeWakesAThreadThatSends() throws Exception {
        Future<Errno> failed = blocked(() -> {
            while (true) {
                try {
                    near.send(out, 0, out.capacity());
                } catch (VfioException failure) {
                    return failure.errno();
                }
            }
        });
        near.close();
        assertThat(failed.get(10, TimeUnit.SECONDS)).isIn(Errno.EPIPE, Errno.EBADF);
    }

    @Test
    void sendsFromMemoryAndReceivesIntoIt() {
        int size = 1 << 20;
        try (MappedMemory source = MappedMemory.allocate("source", size);
                MappedMemory target = MappedMemory.map(TestFiles.unsealed(size + 100), 100, size, true)) {
            for (int offset = 0; offset < size; offset += 4) {
                source.putInt(offset, offset * 31);
            }
            assertThat(far.tryReceive(target, 0, size)).as("nothing is there").isZero();
            int sent = 0;
            int received = 0;
            while (received < size) {
                int count = sent == size ? 0 : near.trySend(source, sent, size - sent);
                sent += count;
                assertThat(sent).isGreaterThan(received);
                if (count == 0) {
                    far.awaitData();
                    received += far.tryReceive(target, received, size - received);
                }
            }
            assertThat(far.tryReceive(target, 0, size)).isZero();
            ByteBuffer content = ByteBuffer.allocate(size);
            target.get(0, content);
            for (int offset = 0; offset < size; offset += 4) {
                assertThat(content.order(ByteOrder.LITTLE_ENDIAN).getInt(offset))
                        .isEqualTo(offset * 31);
            }
        }
    }

    @Test
    void waitsForRoom() throws Exception {
        try (MappedMemory memory = MappedMemory.allocate("memory", 1 << 20)) {
            int sent = 0;
            for (int count = 1; count > 0; sent += count) {
                count = near.trySend(memory, 0, 1 << 20);
            }
            assertThat(sent).isBetween(1, (1 << 20) - 1);
            Future<?> room = blocked(() -> {
                near.awaitRoom();
                return null;
            });
            far.receiveFully(in, 0, sent);
            room.get(10, TimeUnit.SECONDS);
            assertThat(near.trySend(memory, 0, 1)).isEqualTo(1);
        }
    }

    @Test
    void endOfTheConnectionEndsTheWaits() throws Exception {
        try (MappedMemory memory = MappedMemory.allocate("memory", 4096)) {
            Future<?> data = blocked(() -> {
                far.awaitData();
                return null;
            });
            near.shutdown();
            data.get(10, TimeUnit.SECONDS);
            Expect.failure(Errno.ECONNRESET, () -> far.tryReceive(memory, 0, 1));
            near.awaitRoom();
            Expect.failure(Errno.EPIPE, () -> near.trySend(memory, 0, 1));
        }
    }

    @Test
    void memoryThatCannotBeUsedFailsForTheCaller() {
        Descriptor file = TestFiles.unsealed(8192);
        try (MappedMemory memory = MappedMemory.map(file.duplicate(), 0, 8192, true);
                MappedMemory readOnly = MappedMemory.map(file.duplicate(), 0, 8192, false)) {
            near.send(out, 0, 100);
            Expect.failure(Errno.EACCES, () -> far.tryReceive(readOnly, 0, 100));
            Expect.failure(Errno.EFAULT, () -> far.tryReceive(memory, 8191, 2));
            Expect.failure(Errno.EFAULT, () -> near.trySend(memory, -1, 1));
            assertThatIllegalArgumentException().isThrownBy(() -> near.trySend(memory, 0, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> far.tryReceive(memory, 0, -1));

            assertThat(TestFiles.truncate(file, 4096)).isZero();
            Expect.failure(Errno.EFAULT, () -> near.trySend(memory, 4096, 4096));
            Expect.failure(Errno.EFAULT, () -> far.tryReceive(memory, 4096, 4096));
            assertThat(far.tryReceive(memory, 0, 4096)).isEqualTo(100);
            memory.close();
            Expect.failure(Errno.EFAULT, () -> near.trySend(memory, 0, 1));
        } finally {
            file.close();
        }
    }

    @Test
    void knowsItsPeer() throws Exception {
        PeerCredentials peer = near.peerCredentials();
        assertThat(peer.pid()).isEqualTo((int) ProcessHandle.current().pid());
        assertThat(peer.uid()).isEqualTo((int) Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
        assertThat(peer.gid()).isEqualTo((int) Files.getAttribute(Path.of("/proc/self"), "unix:gid"));
    }

    @Test
    void checksItsArguments() {
        assertThatIllegalArgumentException().isThrownBy(() -> far.receive(in, 0, 0));
        assertThatThrownBy(() -> far.receive(in, 1, in.capacity())).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> far.send(in, -1, 4)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void connectSaysWhyItFailed() throws Exception {
        Path absent = folder.resolve("absent");
        Expect.failure(Errno.ENOENT, () -> UnixSocket.connect(absent)).hasMessageContaining(absent.toString());
        Path file = Files.createFile(folder.resolve("file"));
        Expect.failure(Errno.ECONNREFUSED, () -> UnixSocket.connect(file)).hasMessageContaining("start the server");
        Path longPath = Path.of("/" + "x".repeat(107));
        Expect.failure(Errno.ENAMETOOLONG, () -> UnixSocket.connect(longPath))
                .hasMessageContaining("107")
                .hasMessageContaining(longPath.toString());
        Expect.failure(Errno.EINVAL, () -> UnixSocket.connect(Path.of("")));
    }

    private <T> Future<T> blocked(Callable<T> call) {
        return BlockedCall.start(thread, call);
    }
}
