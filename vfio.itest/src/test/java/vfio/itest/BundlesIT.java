package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkUtil;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;
import vfio.pci.api.manage.DeviceServer;

/** All bundles together: each starts, has what it needs, says where it comes from, and can go and come back. */
public class BundlesIT extends InFramework {
    private static final String[] OURS = {
        "vfio.pci.api",
        "vfio.pci.core",
        "vfio.pci.repository",
        "vfio.linux",
        "vfio.host",
        "vfio.sim",
        "vfio.user",
        "vfio.migration",
        "vfio.shell",
        "migration.region",
        "mediate.igd",
        "mediate.i40e"
    };

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), hostDevices(), mover(), vendors(), repository(), server(), shell());
    }

    /** One device of each kind, so that each component has the configuration it may require. */
    @Before
    public void insertDevices() {
        insertXl710("0000:03:00.0", 2);
        insertIgd("0000:00:02.0");
        configure("vfio.sim.edu", Map.of("address", "0000:06:00.0"));
        configure("vfio.host", Map.of("sysfs", "/a/host/without/devices"));
        configure("vfio.pci.core.rule", Map.of("trap", "dynamic"));
        awaitComplete();
    }

    @Test
    public void allAreActive() {
        assertThat(Arrays.stream(context.getBundles())
                        .filter(bundle -> bundle.getHeaders().get(Constants.FRAGMENT_HOST) == null))
                .allSatisfy(bundle -> assertThat(bundle.getState())
                        .as(bundle.getSymbolicName())
                        .isEqualTo(Bundle.ACTIVE));
        assertThat(ours()).extracting(Bundle::getSymbolicName).containsExactlyInAnyOrder(OURS);
    }

    @Test
    public void allComponentsHaveWhatTheyNeed() {
        assertThat(components()).hasSizeGreaterThanOrEqualTo(10);
        assertThat(unsatisfied()).isEmpty();
    }

    @Test
    public void eachSaysFromWhichRevisionItWasBuilt() {
        boolean inClone = Files.exists(
                Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolveSibling(".git"));
        assertThat(ours()).allSatisfy(bundle -> {
            Map<String, String> headers = FrameworkUtil.asMap(bundle.getHeaders());
            assertThat(headers.get("Bundle-Vendor")).isEqualTo("vfio.mediate");
            assertThat(headers.get("Bundle-License")).startsWith("Apache-2.0");
            if (inClone) {
                assertThat(headers.get("Git-SHA")).as(bundle.getSymbolicName()).matches("[0-9a-f]{40}");
                assertThat(headers.get("Git-Descriptor")).isNotBlank();
            }
        });
    }

    @Test
    public void vendorBundlesExportNothingAndNeedOnlyTheContractsAndTheirLibrary() {
        for (String vendor : List.of("mediate.igd", "mediate.i40e")) {
            Map<String, String> headers =
                    FrameworkUtil.asMap(bundleNamed(vendor).getHeaders());
            assertThat(headers).doesNotContainKey(Constants.EXPORT_PACKAGE);
            assertThat(headers.get(Constants.IMPORT_PACKAGE)
                            .replaceAll("\"[^\"]*\"", "")
                            .split(",", -1))
                    .allMatch(clause -> clause.startsWith("vfio.pci.api.")
                            || clause.startsWith("migration.region")
                            || clause.startsWith("org.osgi."));
        }
    }

    /** Whichever leaves, nothing of it stays behind that hinders its return. */
    @Test
    public void eachCanBeStoppedAndStarted() throws BundleException {
        List<String> endpoints = endpoints();
        assertThat(endpoints).hasSize(4);
        for (Bundle bundle : ours()) {
            bundle.stop();
            assertThat(Arrays.stream(context.getBundles())
                            .filter(other -> other != bundle)
                            .filter(other -> other.getHeaders().get(Constants.FRAGMENT_HOST) == null))
                    .allSatisfy(other -> assertThat(other.getState()).isEqualTo(Bundle.ACTIVE));
            assertThat(bundle.getRegisteredServices())
                    .as(bundle.getSymbolicName())
                    .isNull();
            bundle.start();
            awaitComplete();
            eventually().untilAsserted(() -> assertThat(endpoints()).isEqualTo(endpoints));
        }
    }

    private void awaitComplete() {
        eventually().untilAsserted(() -> {
            assertThat(unsatisfied()).isEmpty();
            assertThat(addresses()).hasSize(5);
            assertThat(mediatorNames()).containsExactlyInAnyOrder("i40e", "igd");
            assertThat(service(DeviceServer.class).settled()).isTrue();
        });
    }

    private List<String> endpoints() {
        return service(DeviceServer.class).endpoints().stream()
                .map(endpoint -> endpoint.socket().toString())
                .toList();
    }

    private List<Bundle> ours() {
        return Arrays.stream(context.getBundles())
                .filter(bundle -> "vfio.mediate".equals(bundle.getHeaders().get("Bundle-Vendor")))
                .toList();
    }

    private List<ComponentDescriptionDTO> components() {
        return List.copyOf(
                service(ServiceComponentRuntime.class).getComponentDescriptionDTOs(ours().toArray(Bundle[]::new)));
    }

    /** Components that wait for something or failed, and those without any instance. */
    private List<String> unsatisfied() {
        ServiceComponentRuntime runtime = service(ServiceComponentRuntime.class);
        List<String> names = new ArrayList<>();
        for (ComponentDescriptionDTO component : components()) {
            var instances = runtime.getComponentConfigurationDTOs(component);
            boolean satisfied = !instances.isEmpty()
                    && instances.stream()
                            .allMatch(instance -> instance.state == ComponentConfigurationDTO.ACTIVE
                                    || instance.state == ComponentConfigurationDTO.SATISFIED);
            if (!satisfied) {
                names.add(component.name);
            }
        }
        return names;
    }
}
