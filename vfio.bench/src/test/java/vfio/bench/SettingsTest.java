package vfio.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SettingsTest {

    @Test
    void optionsAreRead() {
        Settings settings = Settings.parse("--quick", "--dist", "/opt/vfio-mediate");
        assertThat(settings).isEqualTo(new Settings(Path.of("/opt/vfio-mediate"), true));
    }

    @Test
    void withoutOptionsItIsAFullRunOfTheBuild() {
        Settings settings = Settings.parse();
        assertThat(settings.quick()).isFalse();
        assertThat(settings.distribution()).isAbsolute().endsWithRaw(Path.of("vfio.dist/target/vfio-mediate"));
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
