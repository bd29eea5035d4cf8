package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.pci.api.manage.ClientMemory;
import vfio.shell.Fakes.FakeManager;
import vfio.shell.Fakes.FakeOpen;

class AccessCommandsTest {
    private static final String NOT_OPEN =
            "0000:03:02.0 is not open: attach a VMM to its socket or open it here with: vfio:open 0000:03:02.0";

    private final AccessCommands commands = new AccessCommands();
    private final FakeManager manager = FakeManager.with(Fakes.PF, Fakes.VF, Fakes.IGD);

    @BeforeEach
    void services() {
        commands.addManager(manager);
    }

    @Test
    void opensForTheShellAndSaysWhoMediates() {
        assertThat(commands.open("3:2.0"))
                .isEqualTo("0000:03:02.0 is open, mediated by i40e; close it with: vfio:close 0000:03:02.0");
        assertThat(manager.opened.get(Fakes.VF.address()).user()).isEqualTo("shell");
    }

    @Test
    void openPassesTheErrorOfTheManagerOnWithItsErrno() {
        manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE);

        assertThatThrownBy(() -> commands.open("3:2.0"))
                .isInstanceOf(CommandException.class)
                .hasToString("EBUSY: 0000:03:02.0 is in use by vfio-user pid 4711");
        assertThatThrownBy(() -> commands.open("3:0.0")).hasMessageStartingWith("EPERM: ");
    }

    @Test
    void closesWhatItOpened() {
        commands.open("3:2.0");
        FakeOpen open = manager.opened.get(Fakes.VF.address());

        assertThat(commands.close("3:2.0")).isEqualTo("0000:03:02.0 is closed");
        assertThat(open.closed).isTrue();
        assertThatThrownBy(() -> commands.close("3:2.0")).hasMessage("0000:03:02.0 is not open");
    }

    @Test
    void closesNothingElse() {
        FakeOpen open = manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE);

        assertThatThrownBy(() -> commands.close("3:2.0"))
                .hasMessage("0000:03:02.0 is in use by vfio-user pid 4711, and the shell closes only what it opened:"
                        + " detach it there");
        assertThat(open.closed).isFalse();
    }

    @Test
    void opensAgainAfterTheDeviceLeftUnderneath() {
        commands.open("3:2.0");
        FakeOpen first = manager.opened.remove(Fakes.VF.address());

        commands.open("3:2.0");

        assertThat(first.closed).isTrue();
        assertThat(manager.opened.get(Fakes.VF.address()).closed).isFalse();
    }

    @Test
    void closesAllWhenItGoes() {
        commands.open("3:2.0");
        commands.open("0:2.0");

        commands.closeAll();

        assertThat(manager.opened).isEmpty();
    }

    @Test
    void closesAllWhenTheManagerGoes() {
        commands.open("3:2.0");

        commands.removeManager(manager);

        assertThat(manager.opened).isEmpty();
        assertThatThrownBy(() -> commands.open("3:2.0")).hasMessageContaining("there is no device manager");
    }

    @Test
    void aManagerThatWasReplacedTakesNothingFromTheNew() {
        FakeManager successor = FakeManager.with(Fakes.VF);
        commands.addManager(successor);

        commands.removeManager(manager);

        assertThat(commands.open("3:2.0")).startsWith("0000:03:02.0 is open");
        assertThat(successor.opened).containsKey(Fakes.VF.address());
    }

    @Test
    void everyAccessSaysThatTheDeviceIsNotOpen() {
        assertThatThrownBy(() -> commands.regions("3:2.0")).hasMessage(NOT_OPEN);
        assertThatThrownBy(() -> commands.irqs("3:2.0")).hasMessage(NOT_OPEN);
        assertThatThrownBy(() -> commands.read("3:2.0", "bar0", "0")).hasMessage(NOT_OPEN);
        assertThatThrownBy(() -> commands.write("3:2.0", "bar0", "0", "0")).hasMessage(NOT_OPEN);
    }

    @Test
    void worksOnWhatAVmmHolds() {
        manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE);

        assertThat(commands.read("3:2.0", "bar0", "0x8800").inspect()).isEqualTo("0x00000002");
    }

    @Test
    void listsRegionsThatAreThere() {
        commands.open("3:2.0");

        assertThat(commands.regions("3:2.0").inspect()).isEqualTo("""
                        region  index     size  flags            mapped directly                  disablable
                        BAR0        0  0x10000  read write mmap  [0x0, 0x8000) [0x9000, 0x10000)  [0x8000, 0x9000)
                        BAR3        3   0x4000  read write mmap  all                              -
                        ROM         6    0x800  read             nothing                          -
                        CONFIG      7    0x100  read write       nothing                          -""");
    }

    @Test
    void listsInterruptsThatAreThere() {
        commands.open("3:2.0");

        assertThat(commands.irqs("3:2.0").inspect()).isEqualTo("""
                        interrupt  index  count  flags
                        MSI-X          2      5  eventfd noresize""");
    }

    @Test
    void writesAndReadsInEveryWidth() {
        commands.open("3:2.0");

        assertThat(commands.write("3:2.0", "BAR0", "0x100", "0xab", "1"))
                .isEqualTo("wrote 0xab to BAR0+0x100 of 0000:03:02.0");
        assertThat(commands.read("3:2.0", "0", "256", "1").value()).isEqualTo(0xab);
        assertThat(commands.write("3:2.0", "BAR0", "0x100", "51966"))
                .isEqualTo("wrote 0x0000cafe to BAR0+0x100 of 0000:03:02.0");
        assertThat(commands.read("3:2.0", "bar0", "0x100", "2").inspect()).isEqualTo("0xcafe");
        commands.write("3:2.0", "BAR0", "0x108", "0xfedcba9876543210", "8");
        assertThat(commands.read("3:2.0", "bar0", "0x108", "8").line()).isEqualTo("BAR0+0x108 = 0xfedcba9876543210");
    }

    @Test
    void theCoresRefusalIsOneSentence() {
        commands.open("3:2.0");

        assertThatThrownBy(() -> commands.read("3:2.0", "bar0", "0x10000"))
                .hasToString("EINVAL: offset 0x10000 lies outside the region");
        assertThatThrownBy(() -> commands.read("3:2.0", "bar0", "0xffffffffffffffff"))
                .hasToString("EINVAL: offset 0xffffffffffffffff lies outside the region");
    }

    @Test
    void argumentsAreCheckedBeforeTheDeviceIsTouched() {
        commands.open("3:2.0");

        assertThatThrownBy(() -> commands.read("3:2.0", "bar9", "0")).hasMessageContaining("'bar9' is no region");
        assertThatThrownBy(() -> commands.read("3:2.0", "bar0", "zero")).hasMessageContaining("'zero' is no offset");
        assertThatThrownBy(() -> commands.read("3:2.0", "bar0", "0", "3")).hasMessageContaining("'3' is no width");
        assertThatThrownBy(() -> commands.write("3:2.0", "bar0", "0", "0x1ff", "1"))
                .hasMessageContaining("does not fit in 1 byte");
        assertThat(manager.opened.get(Fakes.VF.address()).bar0).hasSize(1);
    }
}
