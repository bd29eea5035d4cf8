package vfio.dist;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.dist.Options.Action;

class OptionsTest {
    @Test
    void withoutArgumentsTheRuntimeStartsInTheSystemsFolder() throws Exception {
        Options options = Options.parse(List.of(), Map.of());

        assertThat(options).isEqualTo(new Options(Action.RUN, false, Path.of("/run/vfio-mediate"), null, ""));
    }

    @Test
    void theUsersRuntimeFolderIsPreferred() throws Exception {
        assertThat(Options.parse(List.of(), Map.of("XDG_RUNTIME_DIR", "/run/user/7"))
                        .socketDirectory())
                .isEqualTo(Path.of("/run/user/7/vfio-mediate"));
        assertThat(Options.parse(List.of(), Map.of("XDG_RUNTIME_DIR", "")).socketDirectory())
                .isEqualTo(Path.of("/run/vfio-mediate"));
    }

    @Test
    void optionsForTheRuntime() throws Exception {
        Options options = parse("--headless", "--socket-dir", "/a/../b", "--etc=/c");

        assertThat(options).isEqualTo(new Options(Action.RUN, true, Path.of("/b"), Path.of("/c"), ""));
    }

    @Test
    void aRelativeFolderIsThatOfTheCaller() throws Exception {
        assertThat(parse("--socket-dir", "here").socketDirectory())
                .isEqualTo(Path.of("here").toAbsolutePath());
    }

    @Test
    void optionsForExecMayStandBeforeAndAfterTheCommand() throws Exception {
        Options expected = new Options(Action.EXEC, false, Path.of("/b"), null, "vfio:devices");

        assertThat(parse("exec", "vfio:devices", "--socket-dir", "/b")).isEqualTo(expected);
        assertThat(parse("exec", "--socket-dir=/b", "vfio:devices")).isEqualTo(expected);
    }

    @Test
    void theWordsOfACommandAreOneCommand() throws Exception {
        assertThat(parse("exec", "vfio:qemu", "0000:03:02.0").command()).isEqualTo("vfio:qemu 0000:03:02.0");
    }

    @Test
    void afterTwoDashesNothingIsAnOption() throws Exception {
        assertThat(parse("exec", "--", "lb", "--headless").command()).isEqualTo("lb --headless");
    }

    @Test
    void helpAndVersion() throws Exception {
        assertThat(parse("--help").action()).isEqualTo(Action.HELP);
        assertThat(parse("exec", "--help").action()).isEqualTo(Action.HELP);
        assertThat(parse("--version").action()).isEqualTo(Action.VERSION);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--bogus",
                "-x",
                "stray",
                "--socket-dir",
                "--socket-dir=",
                "--headless=yes",
                "exec",
                "exec ''",
                "exec --headless lb",
                "exec lb --etc /x"
            })
    void whatIsWrongIsAUsageError(String line) {
        String[] arguments = line.replace("''", " ").split(" (?=\\S)", -1);

        assertThatExceptionOfType(LaunchException.class)
                .isThrownBy(() -> parse(arguments))
                .satisfies(e -> assertThat(e.status()).isEqualTo(ExitStatus.USAGE))
                .withMessageContaining("--help");
    }

    private static Options parse(String... arguments) throws LaunchException {
        return Options.parse(List.of(arguments), Map.of());
    }
}
