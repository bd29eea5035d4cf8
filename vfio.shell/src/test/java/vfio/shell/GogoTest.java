package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands as Gogo calls them. */
class GogoTest {
    private final Gogo gogo = new Gogo();

    @AfterEach
    void stop() {
        gogo.close();
    }

    @Test
    void tokensArriveAsArguments() throws Exception {
        gogo.run("vfio:open 3:2.0");

        assertThat(gogo.run("read 0000:03:02.0 bar0 0x8800")).isEqualTo("0x00000002");
        assertThat(gogo.run("vfio:read 3:2.0 0 34816 2")).isEqualTo("0x0002");
        assertThat(gogo.run("vfio:write 3:2.0 bar0 16 255 1; vfio:read 3:2.0 bar0 16 1"))
                .isEqualTo("0xff");
    }

    @Test
    void resultsArePrintedAsTables() throws Exception {
        assertThat(gogo.run("vfio:devices")).startsWith("address       id         what");
        assertThat(gogo.run("vfio:mediators")).startsWith("No mediate drivers are registered");
    }

    @Test
    void scriptsReachFields() throws Exception {
        gogo.run("vfio:open 3:2.0");

        assertThat(gogo.run("(vfio:read 3:2.0 bar0 0x8800) value")).isEqualTo("2");
        assertThat(gogo.run("((vfio:devices) get 2) mediator")).isEqualTo("i40e");
        assertThat(gogo.run("(vfio:devices) size")).isEqualTo("3");
        assertThat(gogo.run("vfio:explain (((vfio:devices) get 0) address)"))
                .startsWith("0000:00:02.0 was never opened");
        assertThat(gogo.run("(vfio:qemu 3:2.0) device")).startsWith("-device '{");
    }

    @Test
    void resultsGoThroughPipes() throws Exception {
        gogo.processor.addCommand("test", new Lines(), "last");

        assertThat(gogo.run("vfio:devices | last")).startsWith("0000:03:02.0");
    }

    @Test
    void errorsAreSentences() {
        assertThatThrownBy(() -> gogo.run("vfio:read 3:2.0 bar0 0"))
                .hasToString("0000:03:02.0 is not open: attach a VMM to its socket or open it here with:"
                        + " vfio:open 0000:03:02.0");
    }

    @ParameterizedTest
    @CsvSource({
        "vfio:open, usage: vfio:open DEVICE (help vfio:open says more)",
        "read 3:2.0 bar0, usage: vfio:read DEVICE REGION OFFSET [WIDTH] (help vfio:read says more)",
        "write 3:2.0 bar0 0 0 4 5, usage: vfio:write DEVICE REGION OFFSET VALUE [WIDTH] (help vfio:write says more)",
        "devices a b, usage: vfio:devices [DEVICE] (help vfio:devices says more)",
        "sim:remove, usage: sim:remove [--only] DEVICE (help sim:remove says more)",
        "sim:devices all, usage: sim:devices (help sim:devices says more)",
        "sim:vfs 3:0.0, usage: sim:vfs DEVICE NUMBER (help sim:vfs says more)",
        "vfs 3:0.0, usage: vfio:vfs DEVICE NUMBER (help vfio:vfs says more)",
        "mediators all, usage: vfio:mediators (help vfio:mediators says more)",
    })
    void wrongArgumentsAreAnsweredWithTheUsage(String command, String usage) {
        assertThatThrownBy(() -> gogo.run(command))
                .isInstanceOf(CommandException.class)
                .hasToString(usage);
    }

    @Test
    void everyFunctionIsInTheTable() {
        assertThat(gogo.processor.getCommands())
                .allSatisfy(command ->
                        assertThat(CommandTable.named(command).fullName()).isEqualTo(command));
    }

    @Test
    void numbersArriveAsWritten() throws Exception {
        gogo.run("vfio:open 3:2.0");

        assertThat(gogo.run("vfio:write 3:2.0 bar0 0x0100 18446744073709551615 8; read 3:2.0 bar0 00256 8"))
                .isEqualTo("0xffffffffffffffff");
    }

    /** Reads its standard input. */
    public static final class Lines {
        public String last() {
            return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
                    .lines()
                    .collect(Collectors.toList())
                    .get(3);
        }
    }
}
