package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
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
class UnixListenerTest {
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final NativeBuffer buffer = NativeBuffer.allocate(4096);

    @TempDir
    Path folder;

    @AfterEach
    void close() throws InterruptedException {
        thread.shutdown();
        assertThat(thread.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
        buffer.close();
    }

    @Test
    void acceptsConnections() {
        Path path = folder.resolve("0000:03:02.0.sock");
        try (UnixListener listener = UnixListener.bind(path, 0600)) {
            assertThat(listener.path()).isEqualTo(path);
            assertThat(listener.acceptIfPending()).isEmpty();
            try (UnixSocket client = UnixSocket.connect(path);
                    UnixSocket server = listener.accept()) {
                client.send(buffer, 0, 3);
                assertThat(server.receive(buffer, 0, 10)).isEqualTo(3);
                server.send(buffer, 0, 2);
                assertThat(client.receive(buffer, 0, 10)).isEqualTo(2);
                assertThat(server.peerCredentials().pid())
                        .isEqualTo((int) ProcessHandle.current().pid());
            }
            try (UnixSocket client = UnixSocket.connect(path);
                    UnixSocket server = listener.acceptIfPending().orElseThrow()) {
                assertThat(DescriptorTest.isInherited(server.descriptor())).isFalse();
                assertThat(DescriptorTest.isInherited(listener.descriptor())).isFalse();
                assertThat(client.isClosed()).isFalse();
            }
        }
    }

    @Test
    void acceptedSocketsBlock() throws Exception {
        Path path = folder.resolve("s");
        try (UnixListener listener = UnixListener.bind(path, 0600);
                UnixSocket client = UnixSocket.connect(path);
                UnixSocket server = listener.accept()) {
            Future<Integer> received = BlockedCall.start(thread, () -> server.receive(buffer, 0, 1));
            client.send(buffer, 0, 1);
            assertThat(received.get(10, TimeUnit.SECONDS)).isEqualTo(1);
        }
    }

    @Test
    void acceptWaits() throws Exception {
        Path path = folder.resolve("s");
        try (UnixListener listener = UnixListener.bind(path, 0600)) {
            Future<UnixSocket> accepted = BlockedCall.start(thread, listener::accept);
            UnixSocket.connect(path).close();
            accepted.get(10, TimeUnit.SECONDS).close();
        }
    }

    @Test
    void closeWakesAThreadThatAccepts() throws Exception {
        long before = ProcessState.openFiles();
        UnixListener listener = UnixListener.bind(folder.resolve("s"), 0600);
        Future<Errno> failed = BlockedCall.start(thread, () -> {
            try (UnixSocket unexpected = listener.accept()) {
                throw new AssertionError("accepted a connection of " + unexpected.peerCredentials());
            } catch (VfioException failure) {
                return failure.errno();
            }
        });
        listener.close();
        assertThat(failed.get(10, TimeUnit.SECONDS)).isEqualTo(Errno.EBADF);
        assertThat(ProcessState.openFiles()).isEqualTo(before);
        Expect.failure(Errno.EBADF, listener::accept);
        Expect.failure(Errno.EBADF, listener::acceptIfPending);
    }

    @Test
    void fileHasTheModeAskedForWhateverTheUmask() throws Exception {
        for (String permissions : List.of("rw-------", "rw-rw----", "rw-rw-rw-")) {
            Path path = folder.resolve(permissions);
            try (UnixListener listener = UnixListener.bind(path, modeOf(permissions))) {
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(listener.path())))
                        .isEqualTo(permissions);
            }
        }
        assertThatIllegalArgumentException().isThrownBy(() -> UnixListener.bind(folder.resolve("s"), 010600));
    }

    @Test
    void fileNeverHasMorePermissionsThanAskedFor() throws Exception {
        Path path = folder.resolve("s");
        Descriptor descriptor = new Descriptor(UnixSocket.create(0));
        try (descriptor) {
            UnixListener.claim(descriptor.number(), path, 0600);
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                    .isEqualTo("rw-------");
        }
    }

    @Test
    void fileHasTheOwnerAskedFor() throws Exception {
        Path path = folder.resolve("s");
        int uid = (int) Files.getAttribute(folder, "unix:uid");
        int gid = (int) Files.getAttribute(folder, "unix:gid");
        int other = uid == 0 ? 12_345 : gid;
        try (UnixListener listener = UnixListener.bind(path, 0660, uid, other)) {
            assertThat(Files.getAttribute(listener.path(), "unix:uid")).isEqualTo(uid);
            assertThat(Files.getAttribute(listener.path(), "unix:gid")).isEqualTo(other);
        }
    }

    @Test
    void replacesAStaleSocket() throws Exception {
        Path path = folder.resolve("s");
        leaveStaleSocket(path);
        Expect.failure(Errno.ECONNREFUSED, () -> UnixSocket.connect(path));
        try (UnixListener listener = UnixListener.bind(path, 0600)) {
            UnixSocket.connect(path).close();
            listener.accept().close();
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void refusesAPathOnWhichSomebodyListens() {
        long before = ProcessState.openFiles();
        Path path = folder.resolve("s");
        try (UnixListener listener = UnixListener.bind(path, 0600)) {
            Expect.failure(Errno.EADDRINUSE, () -> UnixListener.bind(path, 0600))
                    .hasMessageContaining(path.toString());
            listener.accept().close();
            UnixSocket.connect(path).close();
            listener.accept().close();
        }
        assertThat(ProcessState.openFiles()).isEqualTo(before);
    }

    @Test
    void refusesAPathOnWhichSomebodyIsTooBusyToAccept() {
        Path path = folder.resolve("s");
        try (UnixListener listener = UnixListener.bind(path, 0600)) {
            Errno last = null;
            for (int attempt = 0; attempt < 100; attempt++) {
                try (UnixListener unexpected = UnixListener.bind(path, 0600)) {
                    throw new AssertionError("took the path of a live " + unexpected);
                } catch (VfioException failure) {
                    last = failure.errno();
                }
            }
            assertThat(last).isEqualTo(Errno.EADDRINUSE);
            assertThat(listener.path()).exists();
        }
    }

    @Test
    void neverDeletesAFileThatIsNoSocket() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "precious");
        Expect.failure(Errno.EEXIST, () -> UnixListener.bind(file, 0600)).hasMessageContaining(file.toString());
        assertThat(file).hasContent("precious");

        Path stale = folder.resolve("stale");
        leaveStaleSocket(stale);
        Path link = Files.createSymbolicLink(folder.resolve("link"), stale);
        Expect.failure(Errno.EEXIST, () -> UnixListener.bind(link, 0600));
        assertThat(Files.exists(link, LinkOption.NOFOLLOW_LINKS)).isTrue();
        assertThat(stale).exists();
    }

    @Test
    void limitsTheLengthOfThePath() {
        String prefix = folder + "/";
        Path longest = Path.of(prefix + "x".repeat(UnixAddress.PATH_MAX - prefix.length()));
        try (UnixListener listener = UnixListener.bind(longest, 0600)) {
            assertThat(listener.path()).exists();
            UnixSocket.connect(longest).close();
        }
        Path tooLong = Path.of(longest + "x");
        Expect.failure(Errno.ENAMETOOLONG, () -> UnixListener.bind(tooLong, 0600))
                .hasMessageContaining("107")
                .hasMessageContaining(tooLong.toString());
    }

    @Test
    void saysWhyItCannotBind() {
        Path path = folder.resolve("absent/s");
        Expect.failure(Errno.ENOENT, () -> UnixListener.bind(path, 0600)).hasMessageContaining(path.toString());
    }

    @Test
    void closeRemovesOnlyItsOwnFile() throws Exception {
        Path path = folder.resolve("s");
        UnixListener first = UnixListener.bind(path, 0600);
        Files.delete(path);
        try (UnixListener second = UnixListener.bind(path, 0600)) {
            first.close();
            first.close();
            assertThat(path).exists();
            UnixSocket.connect(path).close();
            second.accept().close();
        }
        assertThat(path).doesNotExist();

        UnixListener third = UnixListener.bind(path, 0600);
        Files.delete(path);
        third.close();
        assertThat(path).doesNotExist();
    }

    private static int modeOf(String permissions) {
        int mode = 0;
        for (int index = 0; index < permissions.length(); index++) {
            mode = (mode << 1) | (permissions.charAt(index) == '-' ? 0 : 1);
        }
        return mode;
    }

    private static void leaveStaleSocket(Path path) {
        byte[] address = UnixAddress.of(path);
        try (Descriptor descriptor = new Descriptor(UnixSocket.create(0))) {
            assertThat(Libc.bind(descriptor.number(), address, address.length)).isZero();
            assertThat(Libc.listen(descriptor.number(), 1)).isZero();
        }
        assertThat(path).exists();
    }
}
