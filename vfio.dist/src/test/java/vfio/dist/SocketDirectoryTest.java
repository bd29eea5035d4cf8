package vfio.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SocketDirectoryTest {
    @TempDir
    Path folder;

    @Test
    void aMissingFolderIsMadeForItsOwnerAlone() throws Exception {
        SocketDirectory made = SocketDirectory.prepare(folder.resolve("a/b"));

        assertThat(made.path()).isDirectory();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(made.path())))
                .isEqualTo("rwx------");
    }

    @Test
    void twoNamesOfOneFolderAreOneFolder() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Files.createDirectory(folder.resolve("real")));

        assertThat(SocketDirectory.prepare(link)).isEqualTo(SocketDirectory.prepare(folder.resolve("real")));
    }

    @Test
    void differentFoldersHaveDifferentKeys() throws Exception {
        assertThat(SocketDirectory.prepare(folder.resolve("x/s")).key())
                .startsWith("s-")
                .isNotEqualTo(SocketDirectory.prepare(folder.resolve("y/s")).key());
    }

    @Test
    void aFileInThePlaceOfTheFolderIsRefused() throws Exception {
        assertRefused(Files.createFile(folder.resolve("file")));
    }

    @Test
    void aFolderTooDeepForASocketIsRefused() {
        assertRefused(folder.resolve("x".repeat(100)));
    }

    @Test
    void leftoverSocketsAreRemovedAndNothingElse() throws Exception {
        Files.createFile(folder.resolve("0000:03:02.0.sock"));
        Files.createFile(folder.resolve("admin.sock"));
        Files.createFile(folder.resolve("notes"));

        SocketDirectory.prepare(folder).removeSockets();

        assertThat(folder).isDirectoryNotContaining("glob:**.sock").isDirectoryContaining("glob:**/notes");
    }

    private static void assertRefused(Path path) {
        assertThatExceptionOfType(LaunchException.class)
                .isThrownBy(() -> SocketDirectory.prepare(path))
                .satisfies(e -> assertThat(e.status()).isEqualTo(ExitStatus.CANNOT_CREATE))
                .withMessageContainingAll(path.toString(), "--socket-dir");
    }
}
