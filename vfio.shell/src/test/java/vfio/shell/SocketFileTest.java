package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SocketFileTest {
    private static final String NAME = "admin.sock";

    @TempDir
    Path directory;

    @Test
    void onlyTheOwnerReachesIt() throws Exception {
        try (SocketFile socket = SocketFile.bind(directory, NAME)) {
            assertThat(socket.path()).isEqualTo(directory.resolve(NAME));
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket.path())))
                    .isEqualTo("rw-------");
            assertThat(socket.owner()).isEqualTo(Files.getOwner(directory));
            assertThat(directory).isDirectoryContaining(path -> path.equals(socket.path()));
            try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket.path()));
                    SocketChannel accepted = socket.channel().accept()) {
                assertThat(accepted.isConnected()).isTrue();
            }
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void makesAMissingFolderForItsOwnerAlone() throws Exception {
        Path missing = directory.resolve("run/vfio-mediate");

        try (SocketFile socket = SocketFile.bind(missing, NAME)) {
            assertThat(socket.path()).exists();
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(missing)))
                    .isEqualTo("rwx------");
        }
    }

    @Test
    void replacesAStaleSocket() throws Exception {
        Path path = directory.resolve(NAME);
        try (ServerSocketChannel died = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            died.bind(UnixDomainSocketAddress.of(path));
        }
        assertThat(path).exists();

        try (SocketFile socket = SocketFile.bind(directory, NAME)) {
            SocketChannel.open(UnixDomainSocketAddress.of(socket.path())).close();
        }
    }

    @Test
    void refusesALiveSocketAndLeavesItAlone() throws Exception {
        try (SocketFile first = SocketFile.bind(directory, NAME)) {
            assertThatThrownBy(() -> SocketFile.bind(directory, NAME))
                    .isInstanceOf(IOException.class)
                    .hasMessage(first.path() + " is served already: stop the runtime there or use another folder");
            SocketChannel.open(UnixDomainSocketAddress.of(first.path())).close();
        }
    }

    @Test
    void refusesToReplaceAnythingElse() throws Exception {
        Path file = Files.writeString(directory.resolve(NAME), "precious");

        assertThatThrownBy(() -> SocketFile.bind(directory, NAME))
                .hasMessage(file + " is in the way and is no socket: remove it");
        assertThat(file).hasContent("precious");
    }

    @Test
    void removesOnlyItsOwnFile() throws Exception {
        SocketFile socket = SocketFile.bind(directory, NAME);
        Files.delete(socket.path());
        Path successor = Files.writeString(socket.path(), "successor");

        socket.close();

        assertThat(successor).exists();
    }

    @Test
    void closesWhenItsFileIsGone() throws Exception {
        SocketFile socket = SocketFile.bind(directory, NAME);
        Files.delete(socket.path());

        socket.close();
        socket.close();

        assertThat(socket.channel().isOpen()).isFalse();
    }

    @Test
    void saysThatAPathIsTooLong() {
        Path deep = directory.resolve("d".repeat(120));

        assertThatThrownBy(() -> SocketFile.bind(deep, NAME))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(deep + "/admin.sock cannot be made: ");
        assertThat(deep).isEmptyDirectory();
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() throws Exception {
        Path file = Files.writeString(directory.resolve("file"), "");

        assertThatThrownBy(() -> SocketFile.bind(file.resolve("sub"), NAME))
                .hasMessageContaining("the folder " + file.resolve("sub") + " cannot be made");
    }
}
