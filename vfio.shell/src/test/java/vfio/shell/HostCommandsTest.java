package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands for this host's functions, as Gogo calls them. */
class HostCommandsTest {
    private final Gogo gogo = new Gogo();

    @AfterEach
    void stop() {
        gogo.close();
    }

    @ParameterizedTest
    @CsvSource({
        "bind 3:2.0, bind 0000:03:02.0 false false",
        "bind --dry-run 3:2.0, bind 0000:03:02.0 false true",
        "bind 3:2.0 --force, bind 0000:03:02.0 true false",
        "bind --force --dry-run 3:2.0, bind 0000:03:02.0 true true",
        "unbind --force 3:2.0, unbind 0000:03:02.0 true false",
        "unbind --force --dry-run 3:2.0, unbind 0000:03:02.0 true true",
        "vfs 3:0.0 3, vfs 0000:03:00.0 3",
        "rescan, rescan",
    })
    void asksTheHost(String command, String request) throws Exception {
        gogo.run("vfio:" + command);
        assertThat(gogo.functions.requests).containsExactly(request);
    }

    @Test
    void saysWhatWasDone() throws Exception {
        assertThat(gogo.run("vfio:bind 3:2.0")).isEqualTo("first\nsecond");
        assertThat(gogo.run("vfio:rescan")).startsWith("this host has 2 PCI functions");
        assertThat(gogo.run("vfio:vfs 3:0.0 0")).isEqualTo("0000:03:00.0 has no virtual functions");
        gogo.functions.virtual = List.of(Fakes.VF.address());
        assertThat(gogo.run("vfio:vfs 3:0.0 1")).isEqualTo("0000:03:00.0 has virtual functions: 0000:03:02.0");
    }

    @ParameterizedTest
    @CsvSource({
        "vfio:bind 7:0.0, 7:0.0 is no function of this host; vfio:rescan looks again",
        "vfio:bind x, 'x' is not a PCI address",
        "vfio:unbind 3:2.0, EBUSY: 0000:03:02.0 is in use",
        "vfio:vfs 3:0.0 many, 'many' is no number of virtual functions",
    })
    void saysWhatIsWrong(String command, String sentence) {
        assertThatThrownBy(() -> gogo.run(command))
                .isInstanceOf(CommandException.class)
                .hasMessageStartingWith(sentence);
    }

    @Test
    void saysThatTheHostIsNotOffered() {
        gogo.host.host = null;
        assertThatThrownBy(() -> gogo.run("vfio:bind 3:2.0"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("\"vfio.host\": {}");
    }
}
