package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.shell.Fakes.FakeManager;
import vfio.shell.Fakes.FakeServer;

class ReadyReportTest {
    private final ReadyReport report = new ReadyReport();
    private final FakeManager manager = FakeManager.with(Fakes.PF, Fakes.VF, Fakes.IGD);

    @BeforeEach
    void services() {
        manager.mediators.add(Fakes.I40E);
        report.manager = manager;
        report.server = FakeServer.with(Fakes.IGD, Fakes.VF);
    }

    @Test
    void showsTheDevicesHowToAttachThemAndTheReadyLine() {
        String device =
                "-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":\"/run/vfio-mediate/%s.sock\",\"type\":\"unix\"}}'";

        assertThat(report.get().lines())
                .containsExactly(
                        "address       id         what                                       socket",
                        "0000:00:02.0  8086:5927  VGA controller                             /run/vfio-mediate/0000:00:02.0.sock",
                        "0000:03:02.0  8086:154c  Ethernet controller, VF 0 of 0000:03:00.0  /run/vfio-mediate/0000:03:02.0.sock",
                        String.format(device, "0000:00:02.0"),
                        String.format(device, "0000:03:02.0"),
                        "ready: 2 devices, 1 mediate drivers");
    }

    @Test
    void anEmptyBusIsReadyToo() {
        report.server = new FakeServer();

        assertThat(report.get())
                .startsWith("No PCI functions are present.")
                .endsWith("\nready: 0 devices, 1 mediate drivers");
    }

    @Test
    void saysNothingUntilTheServerIsSettled() {
        FakeServer server = FakeServer.with(Fakes.VF);
        server.settled = false;
        report.server = server;
        assertThat(report.get()).isNull();

        server.settled = true;
        assertThat(report.get()).isNotNull();
    }

    @Test
    void saysNothingUntilEverybodyIsThere() {
        report.server = null;
        assertThat(report.get()).isNull();

        report.server = new FakeServer();
        report.manager = null;
        assertThat(report.get()).isNull();
    }
}
