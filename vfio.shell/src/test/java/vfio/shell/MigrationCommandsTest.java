package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.pci.PciAddress;

/** The commands that move devices, as Gogo calls them. */
class MigrationCommandsTest {
    private static final PciAddress VF = Fakes.VF.address();

    private final Gogo gogo = new Gogo();

    @AfterEach
    void stop() {
        gogo.close();
    }

    @Test
    void migratesAndTellsOfEachStep() throws Exception {
        assertThat(gogo.run("vfio:migrate 3:2.0 /run/b.sock").lines())
                .containsExactly(
                        "round 3: 5.0 MiB copied, 4096 bytes/s written by the device, estimated downtime 2.000 ms",
                        "the device stands still; the rest is sent to /run/b.sock",
                        VF
                                + " runs at /run/b.sock: 5.0 MiB of memory, 1000 bytes of state, 3 rounds, stood still for"
                                + " 7.000 ms");
        assertThat(gogo.mover.requests).containsExactly("migrate " + VF + " /run/b.sock " + MoveOptions.DEFAULT);
    }

    @Test
    void showsEachStepInTheSameLineOfATerminal() throws Exception {
        String erase = "\r\u001b[K";
        assertThat(gogo.runOnTerminal("vfio:migrate 3:2.0 /run/b.sock"))
                .startsWith(erase + "round 3: 5.0 MiB copied, ")
                .contains("downtime 2.000 ms" + erase + "the device stands still; the rest is sent to /run/b.sock"
                        + erase + VF)
                .doesNotContain("ms\n" + erase);
        gogo.mover.failure = new VfioException(Errno.EBUSY, "the target is in use");
        assertThatThrownBy(() -> gogo.runOnTerminal("vfio:migrate 3:2.0 /run/b.sock"))
                .hasMessageContaining("the target is in use");
    }

    @Test
    void takesOptions() throws Exception {
        gogo.run("vfio:migrate --as 0000:04:02.1 --downtime 9 --rounds 3 --rate 2 --wait 3:2.0 /run/b.sock");
        MoveOptions options =
                new MoveOptions(Optional.of(PciAddress.parse("0000:04:02.1")), Duration.ofMillis(9), 3, 2 << 20, true);
        assertThat(gogo.mover.requests).containsExactly("migrate " + VF + " /run/b.sock " + options);
    }

    @Test
    void failureIsTheSentenceOfTheMover() {
        gogo.mover.failure = new VfioException(Errno.EBUSY, "the target is in use");
        assertThatThrownBy(() -> gogo.run("vfio:migrate 3:2.0 /run/b.sock"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("the target is in use");
        assertThatThrownBy(() -> gogo.run("vfio:save 3:2.0 /tmp/f")).hasMessageContaining("the target is in use");
        assertThatThrownBy(() -> gogo.run("vfio:restore 3:2.0 /tmp/f")).hasMessageContaining("the target is in use");
    }

    @Test
    void switchesOverCancelsAndResumes() throws Exception {
        assertThat(gogo.run("vfio:migration 3:2.0")).isEqualTo(VF + " was never moved");
        gogo.mover.status = FakeMover.status(Phase.AWAITING_SWITCH_OVER, "");
        assertThat(gogo.run("vfio:migration 3:2.0 settle")).contains("0000:03:02.0");
        assertThat(gogo.run("vfio:migration 3:2.0 switch-over")).contains("vfio:migration DEVICE switch-over");
        gogo.run("vfio:migration 3:2.0 cancel");
        gogo.run("vfio:migration 3:2.0 resume");
        assertThatThrownBy(() -> gogo.run("vfio:migration 3:2.0 back")).hasMessageContaining("'back' is no step");
        assertThat(gogo.mover.requests)
                .containsExactly("settle " + VF, "switchOver " + VF, "cancel " + VF, "resume " + VF);
    }

    @Test
    void listsWhatIsMoved() throws Exception {
        assertThat(gogo.run("vfio:migration")).isEqualTo("devices come in at /run/a/migration.sock");
        gogo.mover.status = FakeMover.status(Phase.IN_DOUBT, "look there");
        assertThat(gogo.run("vfio:migration"))
                .contains(VF + " stands still here, and it is not known whether it runs at /run/b.sock: look there");
    }

    @Test
    void savesAndRestores() throws Exception {
        assertThat(gogo.run("vfio:save 3:2.0 /tmp/f"))
                .isEqualTo("1234 bytes of " + VF + " are in /tmp/f; it stands still until vfio:migration " + VF
                        + " resume, or a reset");
        assertThat(gogo.run("vfio:save --keep-running 3:2.0 /tmp/f")).endsWith("it runs on");
        assertThat(gogo.run("vfio:restore 3:2.0 /tmp/f")).isEqualTo(VF + " runs with the state in /tmp/f");
        assertThat(gogo.mover.requests)
                .containsExactly(
                        "save " + VF + " /tmp/f false", "save " + VF + " /tmp/f true", "restore " + VF + " /tmp/f");
    }

    @ParameterizedTest
    @EnumSource
    void everyPhaseHasWords(Phase phase) {
        assertThat(MoveText.text(FakeMover.status(phase, "note")))
                .hasSizeGreaterThan(15)
                .endsWith(": note");
    }

    @ParameterizedTest
    @ValueSource(strings = {"vfio:migrate", "vfio:migrate 3:2.0", "vfio:save 3:2.0", "vfio:restore"})
    void wrongNumberOfArgumentsIsExplained(String command) {
        assertThatThrownBy(() -> gogo.run(command)).hasMessageStartingWith("usage: vfio:");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--downtime x", "--rounds -1", "--rate 1.5", "--as 3:2.0"})
    void nonsenseIsRefused(String option) {
        assertThatThrownBy(() -> gogo.run("vfio:migrate " + option + " 3:2.0 /run/b.sock"))
                .isInstanceOf(CommandException.class);
        assertThat(gogo.mover.requests).isEmpty();
    }
}
