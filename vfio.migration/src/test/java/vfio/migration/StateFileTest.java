package vfio.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;

class StateFileTest {
    private final FakeRuntime runtime = new FakeRuntime(0, new byte[100_000]);
    private final Migratable device = runtime.migration.as("test");

    @TempDir
    private Path folder;

    private Path file;

    @BeforeEach
    void nameFile() throws IOException {
        file = folder.resolve("state");
        Files.writeString(file, "before");
    }

    @Test
    void isWrittenAndRead() throws IOException {
        device.request(MigrationState.STOP_COPY);
        long bytes = StateFile.write(file, device);
        assertThat(Files.size(file)).isEqualTo(bytes).isGreaterThan(100_000);
        try (var files = Files.list(folder)) {
            assertThat(files).as("nothing beside it").containsExactly(file);
        }
        FakeRuntime other = new FakeRuntime(0, (byte) 1);
        Migratable target = other.migration.as("test");
        target.request(MigrationState.RESUMING);
        StateFile.read(file, target);
        target.request(MigrationState.STOP);
        assertThat(other.state).isEqualTo(runtime.state);
    }

    /** The kernel's own device without space stands in for a full disk. */
    @Test
    void fullDiskLeavesTheFileThatWasThere() throws IOException {
        Files.createSymbolicLink(folder.resolve("state.part"), Path.of("/dev/full"));
        device.request(MigrationState.STOP_COPY);
        assertThatThrownBy(() -> StateFile.write(file, device))
                .isInstanceOf(VfioException.class)
                .hasMessageContaining("No space left on device");
        assertThat(Files.readString(file)).isEqualTo("before");
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void deviceThatCannotBeReadLeavesTheFileThatWasThere() throws IOException {
        assertThatThrownBy(() -> StateFile.write(file, device)).isInstanceOf(VfioException.class);
        assertThat(Files.readString(file)).isEqualTo("before");
    }

    @Test
    void folderAndFileThatAreNotThereAreNamed() {
        Path nowhere = folder.resolve("no/where");
        assertThatThrownBy(() -> StateFile.write(nowhere, device)).hasMessageContaining("there is no folder");
        assertThatThrownBy(() -> StateFile.read(nowhere, device)).hasMessageContaining("there is no file " + nowhere);
    }
}
