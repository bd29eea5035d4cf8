package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.FrameworkUtil;
import org.osgi.service.cm.ConfigurationAdmin;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.BundleFiles.State;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciAddress;

/** Vendor bundles that are loaded when a device that needs them is opened, and not before. */
public class DemandLoadingIT extends InFramework {
    private static final String PF = "0000:03:00.0";
    private static final String VF = "0000:03:02.0";
    private static final String OTHER_VF = "0000:03:02.1";
    private static final String IGD = "0000:00:02.0";

    private BundleHistory history;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), library(), repository());
    }

    @Before
    public void fillRepository() {
        BundleCopy.of("mediate.i40e").write(repository("i40e.jar"));
        BundleCopy.of("mediate.igd").write(repository("igd.jar"));
        insertXl710(PF, 2);
        insertIgd(IGD);
        history = new BundleHistory(context);
    }

    @After
    public void emptyRepository() throws IOException, BundleException {
        history.close();
        for (Bundle bundle : context.getBundles()) {
            if (bundle.getSymbolicName().startsWith("mediate.")) {
                bundle.uninstall();
            }
        }
        try (Stream<Path> files = Files.list(repository("x").getParent())) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
    }

    @Test
    public void nothingIsLoadedForADeviceThatNobodyOpens() {
        assertThat(mediatorNames()).isEmpty();
        assertThat(history.events()).isEmpty();
        assertThat(files()).extracting(BundleFile::state).containsExactly(State.AVAILABLE, State.AVAILABLE);
    }

    @Test
    public void theDriverOfADeviceIsLoadedWhenItIsOpenedAndNoOther() {
        OpenDevice device = open(VF);

        assertThat(device.mediator()).contains("i40e");
        assertThat(history.events()).containsExactly("installed mediate.i40e", "started mediate.i40e");
        assertThat(open(OTHER_VF).mediator()).contains("i40e");
        assertThat(history.events()).hasSize(2);
        assertThat(open(IGD).mediator()).contains("igd");
        assertThat(history.events())
                .containsExactly(
                        "installed mediate.i40e",
                        "started mediate.i40e",
                        "installed mediate.igd",
                        "started mediate.igd");
    }

    @Test
    public void nothingIsLoadedWhenSomebodyIsThereWhoAccepts() {
        register("other", 0, lent -> Decision.accept(new Mediation() {}));

        assertThat(open(VF).mediator()).contains("other");
        assertThat(history.events()).isEmpty();
    }

    @Test
    public void aDeviceWithoutADriverIsPassedThroughAndTheReasonIsKept() {
        BundleCopy.of("mediate.i40e")
                .header("Import-Package", "vfio.pci.api.mediate,com.acme.util")
                .write(repository("i40e.jar"));

        assertThat(open(VF).mediator()).isEmpty();
        assertThat(verdicts(VF))
                .extracting(Verdict::mediator, Verdict::serviceId, Verdict::answer, Verdict::reason)
                .containsExactly(tuple(
                        "mediate.i40e " + version("mediate.i40e"),
                        -1L,
                        Answer.FAILED,
                        "it needs the package com.acme.util, which no bundle exports"));
        assertThat(history.events()).containsExactly("installed mediate.i40e", "uninstalled mediate.i40e");
        assertThat(files())
                .extracting(BundleFile::state, BundleFile::reason)
                .contains(tuple(State.FAILED, "it needs the package com.acme.util, which no bundle exports"));
    }

    @Test
    public void aLoadedDriverThatDeclinesSaysWhy() throws IOException {
        var ids = service(ConfigurationAdmin.class).getConfiguration("mediate.igd", "?");
        ids.update(FrameworkUtil.asDictionary(Map.of("device.ids", new String[] {"193b"})));
        try {
            assertThat(open(IGD).mediator()).isEmpty();
            assertThat(verdicts(IGD))
                    .extracting(Verdict::mediator, Verdict::answer, Verdict::reason)
                    .containsExactly(tuple("igd", Answer.DECLINED, "8086:5927 is not in device.ids of mediate.igd"));
        } finally {
            ids.delete();
        }
    }

    @Test
    public void whatNobodyUsesIsUnloadedIfThatIsConfigured() throws IOException {
        var settings = service(ConfigurationAdmin.class).getConfiguration("vfio.pci.repository", "?");
        settings.update(FrameworkUtil.asDictionary(Map.of("unload.after", 0, "load.timeout", 500)));
        try {
            OpenDevice graphics = open(IGD);
            eventually().untilAsserted(() -> {
                open(VF).close();
                assertThat(history.events()).contains("uninstalled mediate.i40e");
            });
            assertThat(graphics.mediator()).contains("igd");
            graphics.close();
            eventually().untilAsserted(() -> assertThat(history.events()).contains("uninstalled mediate.igd"));
            assertThat(open(VF).mediator()).contains("i40e");
        } finally {
            settings.delete();
        }
    }

    @Test
    public void withoutTheRepositoryDevicesArePassedThrough() throws BundleException {
        Bundle loader = bundleNamed("vfio.pci.repository");
        loader.stop();
        try {
            assertThat(open(VF).mediator()).isEmpty();
        } finally {
            loader.start();
        }
        eventually().untilAsserted(() -> assertThat(open(OTHER_VF).mediator()).contains("i40e"));
    }

    @Test
    public void whatWasLoadedStaysWhenTheRepositoryIsRestarted() throws BundleException {
        OpenDevice device = open(VF);
        Bundle loader = bundleNamed("vfio.pci.repository");
        loader.stop();
        loader.start();

        assertThat(device.mediator()).contains("i40e");
        eventually().untilAsserted(() -> assertThat(files())
                .extracting(BundleFile::state)
                .containsExactly(State.ACTIVE, State.AVAILABLE));
        assertThat(open(OTHER_VF).mediator()).contains("i40e");
    }

    private List<BundleFile> files() {
        return service(BundleFiles.class).files();
    }

    private List<Verdict> verdicts(String address) {
        return manager().explain(PciAddress.parse(address)).orElseThrow().verdicts();
    }

    private Path repository(String name) {
        return Path.of(context.getProperty(REPOSITORY_DIRECTORY), name);
    }

    private String version(String bundle) {
        return files().stream()
                .map(BundleFile::bundle)
                .filter(label -> label.startsWith(bundle + " "))
                .map(label -> label.substring(bundle.length() + 1))
                .findFirst()
                .orElseThrow();
    }
}
