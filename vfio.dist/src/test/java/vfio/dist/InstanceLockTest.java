package vfio.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InstanceLockTest {
    @TempDir
    Path folder;

    @Test
    void theLockTellsWhoHoldsTheFolder() throws Exception {
        try (InstanceLock lock = InstanceLock.take(folder)) {
            assertThat(lock).isNotNull();
            assertThat(folder.resolve(InstanceLock.NAME))
                    .hasContent(ProcessHandle.current().pid() + "\n");
        }
    }

    @Test
    void aSecondInstanceIsRefused() throws Exception {
        try (InstanceLock lock = InstanceLock.take(folder)) {
            assertThat(lock).isNotNull();
            assertRefused(ProcessHandle.current().pid());
        }
    }

    @Test
    void anInstanceInAnotherProcessIsNoticed() throws Exception {
        Process other = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Holder.class.getName(),
                        folder.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader said =
                new BufferedReader(new InputStreamReader(other.getInputStream(), StandardCharsets.UTF_8))) {
            assertThat(said.readLine()).isEqualTo("held");
            assertRefused(other.pid());
        } finally {
            other.destroyForcibly().waitFor();
        }
        assertThatCode(() -> InstanceLock.take(folder).close())
                .as("a killed process leaves the file, not the lock")
                .doesNotThrowAnyException();
    }

    @Test
    void theFolderIsFreeAfterClose() throws Exception {
        InstanceLock lock = InstanceLock.take(folder);
        lock.close();
        lock.close();

        assertThatCode(() -> InstanceLock.take(folder).close()).doesNotThrowAnyException();
    }

    @Test
    void aLongerNumberOfAnEarlierProcessLeavesNothingBehind() throws Exception {
        Files.writeString(folder.resolve(InstanceLock.NAME), "12345678901234567890\n");

        try (InstanceLock lock = InstanceLock.take(folder)) {
            assertThat(lock).isNotNull();
            assertThat(folder.resolve(InstanceLock.NAME))
                    .hasContent(ProcessHandle.current().pid() + "\n");
        }
    }

    @Test
    void aFolderThatIsNotThereCannotBeLocked() {
        assertThatExceptionOfType(LaunchException.class)
                .isThrownBy(() -> InstanceLock.take(folder.resolve("missing")))
                .satisfies(e -> assertThat(e.status()).isEqualTo(ExitStatus.CANNOT_CREATE));
    }

    private void assertRefused(long holder) {
        assertThatExceptionOfType(LaunchException.class)
                .isThrownBy(() -> InstanceLock.take(folder))
                .satisfies(e -> assertThat(e.status()).isEqualTo(ExitStatus.ALREADY_RUNNING))
                .withMessageContainingAll(folder.toString(), "process " + holder, "--socket-dir");
    }

    /** Another process that takes the lock and keeps it until it is killed. */
    static final class Holder {
        public static void main(String[] arguments) throws Exception {
            InstanceLock lock = InstanceLock.take(Path.of(arguments[0]));
            System.out.println("held");
            System.in.read();
            lock.close();
        }
    }
}
