package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.felix.service.command.CommandProcessor;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.SynchronousBundleListener;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.BundleUpdater;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** Bundles are updated while a client has a device: most of them without its notice, some not without its consent. */
public class UpdateIT extends InFramework {
    private static final String VF = "0000:03:02.0";

    /** VFQF_HKEY, a register that keeps what is written. */
    private static final long HASH_KEY = 0xcc00;

    private final Set<String> stopped = new ConcurrentSkipListSet<>();
    private final SynchronousBundleListener listener = event -> {
        if (event.getType() == BundleEvent.STOPPED) {
            stopped.add(event.getBundle().getSymbolicName());
        }
    };
    private ShellSession shell;
    private VfioUserClient client;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), repository(), server(), shell());
    }

    @Before
    public void connect() {
        insertXl710("0000:03:00.0", 1);
        eventually().untilAsserted(() -> assertThat(mediatorNames()).contains("i40e"));
        shell = new ShellSession(service(CommandProcessor.class));
        eventually().until(() -> Files.exists(socket()));
        client = VfioUserClient.connect(socket());
        client.writeInt(PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
        context.addBundleListener(listener);
    }

    @After
    public void disconnect() {
        context.removeBundleListener(listener);
        shell.close();
        client.close();
    }

    @Test
    public void aVendorBundleIsUpdatedUnderItsDevice() {
        String report = shell.run("vfio:update mediate.i40e");

        assertThat(report).contains("mediate.i40e is updated to ", VF + " is mediated by i40e again, after ");
        assertThat(stopped).containsExactly("mediate.i40e");
        assertConnected();
    }

    @Test
    public void aVendorBundleIsUpdatedFromAFile() {
        Path file = Path.of("target", "bundles", "mediate.i40e.jar").toAbsolutePath();

        assertThat(shell.run("vfio:update mediate.i40e " + file)).contains("is mediated by i40e again");
        assertThat(shell.error("vfio:update mediate.i40e /nowhere.jar")).contains("there is no file /nowhere.jar");
        assertConnected();
    }

    /** What cannot take the driver's place costs nobody anything: it is not even stopped. */
    @Test
    public void aFileThatDoesNotFitLeavesTheDriverAlone() throws IOException {
        Path file = Files.createTempFile("update", ".jar");
        try {
            BundleCopy.of("mediate.igd").write(file);
            assertThat(shell.error("vfio:update mediate.i40e " + file))
                    .startsWith("EINVAL: " + file + " does not replace mediate.i40e ")
                    .contains("which is left as it is: it is mediate.igd ");
            BundleCopy.of("mediate.i40e")
                    .header("Import-Package", "com.acme.util")
                    .write(file);
            assertThat(shell.error("vfio:update mediate.i40e " + file))
                    .endsWith("it needs the package com.acme.util, which no bundle exports");
            BundleCopy.write(file, new byte[1000]);
            assertThat(shell.error("vfio:update mediate.i40e " + file)).contains("it is no jar");
        } finally {
            Files.delete(file);
        }
        assertThat(stopped).isEmpty();
        assertConnected();
    }

    /** The annotation is for loading on demand; what counts for an update is that devices can be handed over. */
    @Test
    public void aBundleOfAnotherVendorIsUpdatedAsLongAsItOffersADriver() throws Exception {
        Path file = Files.createTempFile("acme", ".jar");
        Bundle acme = null;
        try {
            BundleCopy.of("mediate.igd")
                    .header("Bundle-SymbolicName", "acme")
                    .header("Bundle-Vendor", "Acme")
                    .header("Provide-Capability", null)
                    .write(file);
            acme = context.installBundle(file.toUri().toString());
            acme.start();
            assertThat(shell.run("vfio:update acme")).startsWith("acme is updated to ");
            assertThat(stopped).containsExactly("acme");

            acme.stop();
            assertThat(shell.error("vfio:update acme"))
                    .contains("services that open devices stand on may come from it");
        } finally {
            if (acme != null) {
                acme.uninstall();
            }
            Files.delete(file);
        }
        assertConnected();
    }

    @Test
    public void theUpdaterIsUpdatedToo() {
        assertThat(shell.run("vfio:update vfio.pci.repository")).contains("vfio.pci.repository is updated to ");

        assertThat(stopped).containsExactly("vfio.pci.repository");
        eventually().untilAsserted(() -> assertThat(shell.run("vfio:update mediate.i40e"))
                .contains("is mediated by i40e again"));
        assertConnected();
    }

    @Test
    public void aDeviceThatWasTakenMeanwhileIsGivenBack() {
        registerGreedy();

        assertThat(shell.run("vfio:update mediate.i40e"))
                .contains(VF + " was taken by greedy meanwhile and is with i40e now");
        assertConnected();
    }

    /** As when something that uses the bundle does not start again. */
    @Test
    public void aDeviceThatWasTakenMeanwhileIsGivenBackEvenIfTheUpdateFails() {
        registerGreedy();
        BundleUpdater failing = (bundleId, file) -> {
            restart(context.getBundle(bundleId));
            throw new VfioException(Errno.EIO, "it was updated, and something else does not start");
        };
        var registration = context.registerService(
                BundleUpdater.class, failing, FrameworkUtil.asDictionary(Map.of(Constants.SERVICE_RANKING, 1)));
        try {
            assertThat(shell.error("vfio:update mediate.i40e"))
                    .isEqualTo("EIO: it was updated, and something else does not start\n" + VF
                            + " was taken by greedy meanwhile and is with i40e now");
        } finally {
            registration.unregister();
        }
        assertConnected();
    }

    @Test
    public void theShellIsUpdatedFromTheShell() {
        Object before = shell.execute("vfio:update vfio.shell");

        assertThat(before.toString()).contains("this shell ends and comes back");
        eventually().untilAsserted(() -> assertThat(stopped).contains("vfio.shell"));
        eventually().until(() -> bundleNamed("vfio.shell").getState() == Bundle.ACTIVE);
        assertThat(stopped).containsExactly("vfio.shell");
        eventually().untilAsserted(() -> assertThat(shell.run("vfio:devices")).contains(VF));
        assertConnected();
    }

    private static void restart(Bundle bundle) {
        try {
            bundle.stop();
            bundle.start();
        } catch (BundleException e) {
            throw new AssertionError(e);
        }
    }

    private void assertConnected() {
        assertThat(client.readInt(PciRegion.BAR0, HASH_KEY)).isEqualTo(0x0bad_cafe);
    }

    private Path socket() {
        return Path.of(context.getProperty(SOCKET_DIRECTORY), VF + ".sock");
    }
}
