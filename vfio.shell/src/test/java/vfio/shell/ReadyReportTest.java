package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.osgi.framework.Bundle;
import org.osgi.framework.Constants;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;
import org.osgi.util.promise.Promise;
import vfio.pci.api.manage.BundleFiles;
import vfio.shell.Fakes.FakeManager;
import vfio.shell.Fakes.FakeServer;

class ReadyReportTest {
    private static final String PID = "vfio.sim.xl710~pf0";

    private final FakeComponents components = new FakeComponents();
    private final ReadyReport report = new ReadyReport(AnnouncedConfigurations.of(PID + ",nobody.takes.this"));
    private final FakeManager manager = FakeManager.with(Fakes.PF, Fakes.VF, Fakes.IGD);

    @BeforeEach
    void services() {
        manager.mediators.add(Fakes.I40E);
        report.manager = manager;
        report.server = FakeServer.with(Fakes.IGD, Fakes.VF);
        report.components = components;
        components.configure(PID, ComponentConfigurationDTO.ACTIVE);
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
        manager.devices.clear();

        assertThat(report.get())
                .startsWith("No PCI functions are present.")
                .endsWith("\nready: 0 devices, 1 mediate drivers");
    }

    @Test
    void saysWhereToLookIfNoFunctionCanBeGivenAway() {
        report.server = new FakeServer();

        assertThat(report.get())
                .startsWith("No PCI function can be given to a VMM. vfio:devices shows")
                .endsWith("\nready: 0 devices, 1 mediate drivers");
    }

    @Test
    void saysHowManyDriversWaitToBeLoaded() {
        report.files = new FakeFiles(
                FakeFiles.file("deploy/a.jar", "a 1.0.0", BundleFiles.State.ACTIVE, ""),
                FakeFiles.file("repository/b.jar", "b 1.0.0", BundleFiles.State.AVAILABLE, "for 8086:154c"),
                FakeFiles.file("repository/c.jar", "", BundleFiles.State.NOT_A_BUNDLE, "it is damaged"));

        assertThat(report.get()).endsWith("\nready: 2 devices, 1 mediate drivers, 1 more on demand");
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

    @ParameterizedTest
    @ValueSource(
            ints = {
                ComponentConfigurationDTO.ACTIVE,
                ComponentConfigurationDTO.SATISFIED,
                ComponentConfigurationDTO.FAILED_ACTIVATION
            })
    void saysNothingUntilTheAnnouncedConfigurationsHaveArrived(int state) {
        components.configurations.clear();
        assertThat(report.get()).isNull();

        components.configure("vfio.sim.xl710~other", state);
        assertThat(report.get()).isNull();

        components.configure(PID, ComponentConfigurationDTO.UNSATISFIED_REFERENCE);
        assertThat(report.get()).isNull();

        components.configure(PID, state);
        assertThat(report.get()).isNotNull();
    }

    @Test
    void waitsForNothingThatWasNotAnnounced() {
        ReadyReport bare = new ReadyReport(AnnouncedConfigurations.of(null));
        bare.manager = manager;
        bare.server = report.server;
        bare.components = new FakeComponents();

        assertThat(bare.get()).isNotNull();
    }

    /** A runtime with one component, which takes configurations of the factory {@code vfio.sim.xl710}. */
    private static final class FakeComponents implements ServiceComponentRuntime {
        private final List<ComponentConfigurationDTO> configurations = new ArrayList<>();
        private final ComponentDescriptionDTO component = new ComponentDescriptionDTO();

        FakeComponents() {
            component.configurationPid = new String[] {"vfio.sim.xl710"};
        }

        void configure(String pid, int state) {
            ComponentConfigurationDTO configuration = new ComponentConfigurationDTO();
            configuration.properties = Map.of(Constants.SERVICE_PID, pid);
            configuration.state = state;
            configurations.add(configuration);
        }

        @Override
        public Collection<ComponentDescriptionDTO> getComponentDescriptionDTOs(Bundle... bundles) {
            return List.of(component);
        }

        @Override
        public ComponentDescriptionDTO getComponentDescriptionDTO(Bundle bundle, String name) {
            return component;
        }

        @Override
        public Collection<ComponentConfigurationDTO> getComponentConfigurationDTOs(
                ComponentDescriptionDTO description) {
            return configurations;
        }

        @Override
        public boolean isComponentEnabled(ComponentDescriptionDTO description) {
            return true;
        }

        @Override
        public Promise<Void> enableComponent(ComponentDescriptionDTO description) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Promise<Void> disableComponent(ComponentDescriptionDTO description) {
            throw new UnsupportedOperationException();
        }
    }
}
