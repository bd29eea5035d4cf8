package vfio.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LayoutTest {
    private static final String HEADER = "\":configurator:symbolic-name\": \"x\", \":configurator:version\": \"1.0.0\"";

    @TempDir
    Path home;

    @TempDir
    Path etc;

    @BeforeEach
    void distribution() throws Exception {
        Files.createDirectory(home.resolve("etc"));
        Files.writeString(home.resolve("etc/config.properties"), "a = 1");
    }

    @Test
    void theDistributionsOwnFoldersAreTheDefault() {
        assertThat(Layout.of(home, null, null)).isEqualTo(new Layout(home, home.resolve("etc"), home.resolve("var")));
        assertThat(Layout.of(home, null, "").var()).isEqualTo(home.resolve("var"));
        assertThat(Layout.of(home, etc, "/elsewhere").var()).isEqualTo(Path.of("/elsewhere"));
    }

    @Test
    void settingsThatAnotherFolderDoesNotHaveComeFromTheDistribution() throws Exception {
        Layout layout = Layout.of(home, etc, null);

        assertThat(layout.settings("config.properties")).isEqualTo(home.resolve("etc/config.properties"));
        Files.writeString(etc.resolve("config.properties"), "a = 2");
        assertThat(layout.settings("config.properties")).isEqualTo(etc.resolve("config.properties"));
    }

    @Test
    void configurationsComeFromTheFolderAloneInTheOrderOfTheirNames() throws Exception {
        Files.writeString(home.resolve("etc/0.json"), "{" + HEADER + "}");
        Files.writeString(etc.resolve("b.json"), "{" + HEADER + "}");
        Files.writeString(etc.resolve("a.json"), "{" + HEADER + "}");
        Files.writeString(etc.resolve("c.json.off"), "no JSON");

        assertThat(Layout.of(home, etc, null).configurations())
                .containsExactly(etc.resolve("a.json"), etc.resolve("b.json"));
    }

    @Test
    void pidsAreWhatIsNotForTheConfiguratorItself() throws Exception {
        Path file = Files.writeString(etc.resolve("a.json"), "{" + HEADER + ", \"b~1\": {\"c\": 1}, \"a\": {}}");

        assertThat(Layout.pids(file)).containsExactly("a", "b~1");
    }

    @Test
    void aFileThatIsNoJsonIsNamedWithThePlace() throws Exception {
        Files.writeString(etc.resolve("a.json"), "{" + HEADER + ",}");

        assertConfigurationError(etc, etc.resolve("a.json") + ":1:");
    }

    @Test
    void aFileThatTheConfiguratorWouldIgnoreIsNamed() throws Exception {
        Files.writeString(etc.resolve("a.json"), "{\":configurator:version\": \"1.0.0\"}");

        assertConfigurationError(etc, ":configurator:symbolic-name");
    }

    @Test
    void aFolderThatIsNotThereIsNamed() {
        assertConfigurationError(etc.resolve("missing"), "missing");
    }

    private void assertConfigurationError(Path folder, String part) {
        assertThatExceptionOfType(LaunchException.class)
                .isThrownBy(() -> Layout.of(home, folder, null).configurations())
                .satisfies(e -> assertThat(e.status()).isEqualTo(ExitStatus.CONFIGURATION))
                .withMessageContaining(part);
    }
}
