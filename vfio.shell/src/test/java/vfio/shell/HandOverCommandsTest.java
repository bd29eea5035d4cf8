package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.shell.Fakes.FakeManager;
import vfio.shell.Fakes.FakeOpen;

class HandOverCommandsTest {
    private final FakeManager manager = FakeManager.with(Fakes.PF, Fakes.VF);
    private final HandOverCommands commands = new HandOverCommands();

    @BeforeEach
    void setManager() {
        commands.manager = manager;
    }

    @Test
    void rebindReportsWhatCameOfIt() {
        manager.rebound = Optional.of(
                new Explanation(Fakes.VF.address(), "vfio-user pid 1", List.of(), "handed over from a to b"));

        assertThat(commands.rebind("3:2.0").inspect()).contains("0000:03:02.0", "handed over from a to b");
        assertThat(manager.rebindRequests).containsExactly("0000:03:02.0 to anybody");
        commands.rebind("3:2.0", "b");
        assertThat(manager.rebindRequests).contains("0000:03:02.0 to b");
    }

    @Test
    void rebindOfADeviceThatIsNotOpenSaysSo() {
        assertThatThrownBy(() -> commands.rebind("3:2.0"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("is not open");
    }

    @Test
    void trapIsAskedForAndReported() {
        FakeOpen open = manager.open(Fakes.VF.address(), "vfio-user pid 1", ClientMemory.NONE);
        open.confirmsTrap = true;

        assertThat(commands.trap("3:2.0", "on").inspect()).contains("dynamic", "yes");
        assertThat(open.requestedTrap).isTrue();
        assertThat(commands.trap("3:2.0", "off").inspect()).contains("no");
        assertThat(open.requestedTrap).isFalse();
        assertThat(commands.trap("3:2.0").inspect()).contains("never");
    }

    @Test
    void aClientThatDoesNotConfirmIsReported() {
        manager.open(Fakes.VF.address(), "vfio-user pid 1", ClientMemory.NONE);

        assertThat(commands.trap("3:2.0", "on").inspect()).contains("the client has not confirmed");
    }

    @Test
    void trapRefusesWhatIsNoWish() {
        assertThatThrownBy(() -> commands.trap("3:2.0", "maybe"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("neither on, off nor status");
        assertThatThrownBy(() -> commands.trap("3:2.0", "on"))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("is not open");
    }

    @Test
    void detailsShowHandOversAndTrap() {
        DeviceCommands devices = new DeviceCommands();
        devices.manager = manager;
        FakeOpen open = manager.open(Fakes.VF.address(), "vfio-user pid 1", ClientMemory.NONE);
        open.handOvers = new HandOverStatistics(3, Duration.ofNanos(1_500_000), Duration.ofMillis(20));

        assertThat(devices.devices("3:2.0").inspect())
                .contains("3, accesses held back for 1.500 ms in the last, 20.000 ms in the longest", "dynamic, no");
    }

    @Test
    void aDeviceThatWaitsForADriverShowsIt() {
        DeviceCommands devices = new DeviceCommands();
        devices.manager = manager;
        FakeOpen open = manager.open(Fakes.VF.address(), "vfio-user pid 1", ClientMemory.NONE);
        open.mediated = false;
        open.awaiting = Optional.of("i40e");

        assertThat(devices.devices().inspect()).contains("waits for a successor of i40e");
    }
}
