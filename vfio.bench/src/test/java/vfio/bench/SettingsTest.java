package vfio.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SettingsTest {

    @Test
    void optionsAreRead() {
        Settings settings = Settings.parse("--quick", "--dist", "/opt/vfio-mediate", "--peer-cpu", "1");
        assertThat(settings).isEqualTo(new Settings(Path.of("/opt/vfio-mediate"), true, Optional.of("1")));
    }

    @Test
    void withoutOptionsItIsAFullRunOfTheBuild() {
        Settings settings = Settings.parse();
        assertThat(settings.quick()).isFalse();
        assertThat(settings.distribution()).isAbsolute().endsWithRaw(Path.of("vfio.dist/target/vfio-mediate"));
    }

    @Test
    void peersAreBoundToTheirCpu() {
        List<String> command = List.of("peer", "socket");
        assertThat(Settings.parse().asPeer(command)).isEqualTo(command);
        assertThat(Settings.parse("--peer-cpu", "1").asPeer(command))
                .containsExactly("taskset", "-c", "1", "peer", "socket");
    }

    @Test
    void otherOptionsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Settings.parse("--fast"));
        assertThatIllegalArgumentException().isThrownBy(() -> Settings.parse("--dist"));
    }

    @Test
    void aFolderWithoutDistributionIsRefused(@TempDir Path empty) {
        Settings settings = Settings.parse("--dist", empty.toString());
        assertThatIllegalStateException().isThrownBy(settings::launcher).withMessageContaining("bin/vfio-mediate");
    }
}
