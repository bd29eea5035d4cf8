package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.manage.BundleFiles.State;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.shell.Fakes.FakeManager;
import vfio.shell.Fakes.FakeOpen;
import vfio.shell.Fakes.FakeServer;

class DeviceCommandsTest {
    private final DeviceCommands commands = new DeviceCommands();
    private final FakeManager manager = FakeManager.with(Fakes.PF, Fakes.VF, Fakes.IGD);
    private final FakeServer server = FakeServer.with(Fakes.VF, Fakes.IGD);

    @BeforeEach
    void services() {
        manager.mediators.add(Fakes.I40E);
        commands.manager = manager;
        commands.server = server;
    }

    @Test
    void devicesShowsWhoUsesWhatAndWhere() {
        manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE);

        assertThat(commands.devices().inspect()).isEqualTo("""
                        address       id         what                                       backend    state               mediator  socket
                        0000:00:02.0  8086:5927  VGA controller                             simulated  free                -         /run/vfio-mediate/0000:00:02.0.sock
                        0000:03:00.0  8086:1572  Ethernet controller                        simulated  not assignable      -         -
                        0000:03:02.0  8086:154c  Ethernet controller, VF 0 of 0000:03:00.0  simulated  vfio-user pid 4711  i40e      /run/vfio-mediate/0000:03:02.0.sock""");
    }

    @Test
    void devicesExplainsAnEmptyBus() {
        manager.devices.clear();

        assertThat(commands.devices().inspect())
                .startsWith("No PCI functions are present.")
                .contains("vfio.sim", "felix:lb");
    }

    @Test
    void devicesOfOneShowsItsUse() {
        FakeOpen open = manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE);
        open.map(new DmaMapping(0x1000, 0x2000, true, true, null));

        assertThat(commands.devices("3:2.0").inspect()).isEqualTo("""
                        address     0000:03:02.0
                        id          8086:154c
                        subsystem   8086:0000
                        class       020000
                        revision    02
                        what        Ethernet controller, VF 0 of 0000:03:00.0
                        backend     simulated
                        assignable  yes
                        socket      /run/vfio-mediate/0000:03:02.0.sock
                        user        vfio-user pid 4711
                        mediator    i40e
                        hand-overs  none
                        trap        dynamic, no
                        counters    reads=3 writes=1
                        mappings    [0x1000, +0x2000)""");
    }

    @Test
    void devicesOfOneSaysWhyItCannotBeAssigned() {
        assertThat(commands.devices("3:0.0").inspect())
                .contains("assignable  no: it is a physical function with VFs in use", "user        nobody")
                .doesNotContain("mediator");
    }

    @Test
    void aDeviceThatIsBeingClosedCountsAsFree() {
        manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE).closed = true;

        assertThat(commands.devices().get(2).state()).isEqualTo("free");
    }

    @Test
    void aDeviceWhoseDriverFailsToCountIsStillInUse() {
        manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE).miscounts = true;

        assertThat(commands.devices().get(2).state()).isEqualTo("vfio-user pid 4711");
        assertThat(commands.mediators().get(0).counters().get(Fakes.VF.address()))
                .isEmpty();
    }

    @Test
    void mediatorsShowsWhatTheyCount() {
        manager.open(Fakes.VF.address(), "vfio-user pid 4711", ClientMemory.NONE);
        manager.open(Fakes.IGD.address(), "vfio-user pid 4712", ClientMemory.NONE).mediated = false;

        assertThat(commands.mediators().inspect()).isEqualTo("""
                        name  serves               ranking  bundle              open  failures  counters
                        i40e  VFs of 0000:03:00.0       10  mediate.i40e 0.1.0     1         0  0000:03:02.0: reads=3 writes=1""");
        assertThat(commands.mediators().get(0).counters().get(Fakes.VF.address()))
                .containsEntry("reads", 3L);
    }

    @Test
    void mediatorsExplainsThatThereAreNone() {
        manager.mediators.clear();

        assertThat(commands.mediators().inspect()).startsWith("No mediate drivers are registered now.");
    }

    @Test
    void mediatorsShowsWhatBecameOfFiles() {
        commands.files = new FakeFiles(
                FakeFiles.file("deploy/a.jar", "", State.NOT_A_BUNDLE, "it is not complete yet"),
                FakeFiles.file("repository/b.jar", "b 1.0.0", State.AVAILABLE, "for 8086:154c"));

        assertThat(commands.mediators().inspect()).isEqualTo("""
                        name  serves               ranking  bundle              open  failures  counters
                        i40e  VFs of 0000:03:00.0       10  mediate.i40e 0.1.0     0         0  -

                        file              bundle   state         reason
                        deploy/a.jar      -        not a bundle  it is not complete yet
                        repository/b.jar  b 1.0.0  available     for 8086:154c""");
        manager.mediators.clear();
        assertThat(commands.mediators().inspect())
                .startsWith("No mediate drivers are registered now.")
                .contains("\n\nfile ");
        commands.files = new FakeFiles();
        assertThat(commands.mediators().inspect()).doesNotContain("\n");
    }

    @Test
    void qemuGivesTheExactArguments() {
        QemuArguments arguments = commands.qemu("03:02.0");

        assertThat(arguments.device())
                .isEqualTo("-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":"
                        + "\"/run/vfio-mediate/0000:03:02.0.sock\",\"type\":\"unix\"}}'");
        assertThat(arguments.memory()).contains("-object memory-backend-memfd,id=mem,size=1G,share=on");
        assertThat(arguments.inspect()).isEqualTo(arguments.memory() + " \\\n" + arguments.device());
    }

    @Test
    void qemuQuotesForJsonAndForTheShell() {
        assertThat(QemuArguments.of(Path.of("/tmp/it's a \"dir\"/s")).device())
                .isEqualTo("-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":"
                        + "\"/tmp/it'\\''s a \\\"dir\\\"/s\",\"type\":\"unix\"}}'");
    }

    @Test
    void qemuSaysWhyThereIsNoSocket() {
        assertThatThrownBy(() -> commands.qemu("3:0.0"))
                .hasMessage("0000:03:00.0 has no socket: it is a physical function with VFs in use");
        commands.server = null;
        assertThatThrownBy(() -> commands.qemu("3:2.0"))
                .hasMessage("0000:03:02.0 has no socket: is the bundle vfio.user active? See felix:lb");
    }

    @Test
    void explainListsWhoWasAskedAndWhy() {
        manager.explanations.put(
                Fakes.IGD.address(),
                new Explanation(
                        Fakes.IGD.address(),
                        "vfio-user pid 4711",
                        List.of(
                                new Verdict("i40e", 10, 31, Answer.DECLINED, "not a VF of 0000:03:00.0"),
                                new Verdict("broken", 0, 32, Answer.FAILED, "NullPointerException")),
                        "nobody accepted, it is passed through"));

        assertThat(commands.explain("00:02.0").inspect()).isEqualTo("""
                        0000:00:02.0 was last opened by vfio-user pid 4711: nobody accepted, it is passed through
                        order  mediator  ranking  answer    reason
                            1  i40e           10  declined  not a VF of 0000:03:00.0
                            2  broken          0  failed    NullPointerException""");
    }

    @Test
    void explainSaysThatNobodyWasThereToAsk() {
        manager.explanations.put(
                Fakes.IGD.address(), new Explanation(Fakes.IGD.address(), "shell", List.of(), "it is passed through"));

        assertThat(commands.explain("00:02.0").inspect())
                .contains("Nobody was asked: no mediate driver was registered.");
    }

    @Test
    void explainOfANeverOpenedDeviceListsWhoWouldBeAsked() {
        assertThat(commands.explain("3:2.0").inspect()).isEqualTo("""
                        0000:03:02.0 was never opened; when it is, the first of these that accepts will mediate it, or it is passed through
                        order  mediator  ranking  answer         reason
                            1  i40e           10  not asked yet  serves VFs of 0000:03:00.0""");
        manager.mediators.clear();
        assertThat(commands.explain("3:2.0").inspect()).isEqualTo("""
                        0000:03:02.0 was never opened; when it is, it is passed through
                        Nobody would be asked now: no mediate driver is registered.""");
        commands.files = new FakeFiles(FakeFiles.file("repository/b.jar", "b 1.0.0", State.AVAILABLE, ""));
        assertThat(commands.explain("3:2.0").inspect())
                .startsWith("0000:03:02.0 was never opened; when it is, what is loaded then may mediate it: b 1.0.0\n");
        assertThat(commands.explain("3:0.0").inspect()).contains("it is a physical function with VFs in use");
    }

    @Test
    void theInterfaceOfTheKernelIsShown() {
        commands.manager = FakeManager.with(Fakes.IGB);

        assertThat(commands.explain("6:10.0").inspect()).isEqualTo("""
                        0000:06:10.0 was never opened; when it is, it is passed through
                        The kernel opens it through iommufd
                        Nobody would be asked now: no mediate driver is registered.""");
        assertThat(commands.devices("6:10.0").cells()).contains(Cell.text("opened through", "iommufd"));
    }

    @Test
    void everyCommandSaysThatTheManagerIsMissing() {
        commands.manager = null;

        assertThatThrownBy(commands::devices)
                .isInstanceOf(CommandException.class)
                .hasMessage("there is no device manager: is the bundle vfio.pci.core active? See felix:lb");
        assertThatThrownBy(commands::mediators).hasMessageContaining("no device manager");
        assertThatThrownBy(() -> commands.explain("3:2.0")).hasMessageContaining("no device manager");
        assertThatThrownBy(() -> commands.qemu("3:2.0")).hasMessageContaining("no device manager");
    }

    @Test
    void unknownClassesAreShownAsNumbers() {
        assertThat(PciClassName.of(0x020000)).isEqualTo("Ethernet controller");
        assertThat(PciClassName.of(0x028000)).isEqualTo("network controller");
        assertThat(PciClassName.of(0xff0001)).isEqualTo("class ff0001");
    }
}
