package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.felix.service.command.CommandProcessor;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Converter;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciRegion;

/**
 * What is done to files in {@code deploy/}, with the real watcher: what becomes of the bundle, which bundles are restarted,
 * what is logged and what the shell shows.
 */
public class DeployIT extends InFramework {
    private static final String IGD = "0000:00:02.0";
    private static final String GRAPHICS = "mediate.igd";

    private BundleHistory history;
    private CapturedLog log;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), library(), repository(), watchedFolder(), server(), shell());
    }

    @Before
    public void insertDevice() {
        insertIgd(IGD);
        service(BundleFiles.class);
        history = new BundleHistory(context);
        log = new CapturedLog("vfio.pci.repository");
    }

    @After
    public void emptyFolder() throws IOException {
        try (Stream<Path> files = Files.list(deploy("x").getParent())) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        eventually().untilAsserted(() -> assertThat(files()).isEmpty());
        eventually().untilAsserted(() -> assertThat(context.getBundles())
                .extracting(Bundle::getLocation)
                .noneMatch(location -> location.contains(context.getProperty(DEPLOY_DIRECTORY))));
        log.close();
        history.close();
    }

    @Test
    public void copyOverwriteDeleteUnderAnOpenDevice() throws IOException {
        Path file = BundleCopy.of(GRAPHICS).version("1.0.0").write(deploy("graphics.jar"));
        awaitStatus("graphics.jar", "mediate.igd 1.0.0: ACTIVE ");
        assertThat(history.events()).containsExactly("installed mediate.igd", "started mediate.igd");
        OpenDevice device = open(IGD);
        assertThat(device.mediator()).contains("igd");

        history.forget();
        BundleCopy.of(GRAPHICS).version("1.1.0").write(file);
        awaitStatus("graphics.jar", "mediate.igd 1.1.0: ACTIVE ");
        assertThat(history.events())
                .containsExactly("stopped mediate.igd", "updated mediate.igd", "started mediate.igd");
        eventually().untilAsserted(() -> assertThat(device.mediator()).contains("igd"));
        assertThat(device.handOvers().count()).isEqualTo(1);

        history.forget();
        registerGreedy();
        Files.delete(file);
        eventually().untilAsserted(() -> assertThat(history.events())
                .containsExactly("stopped mediate.igd", "uninstalled mediate.igd"));
        eventually().untilAsserted(() -> assertThat(device.mediator()).contains("greedy"));
        assertThat(device.handOvers().count()).isEqualTo(2);
        assertThat(read(device, PciRegion.CONFIG, 0)).isEqualTo(0x5927_8086);
        assertThat(log.warnings()).isEmpty();
    }

    @Test
    public void aHalfCopiedFileIsCompletedLater() throws IOException {
        byte[] whole = BundleCopy.of(GRAPHICS).version("1.0.0").bytes();
        Path file = Files.write(deploy("graphics.jar"), Arrays.copyOf(whole, whole.length / 2));
        awaitStatus("graphics.jar", ": NOT_A_BUNDLE it is no jar, is damaged, or is not complete yet (");
        assertThat(shown("vfio:mediators"))
                .contains("graphics.jar", "not a bundle", "it is no jar, is damaged, or is not complete yet");
        assertThat(history.events()).isEmpty();
        eventually().untilAsserted(() -> assertThat(log.warnings()).hasSize(1));

        Files.write(file, Arrays.copyOfRange(whole, whole.length / 2, whole.length), StandardOpenOption.APPEND);
        awaitStatus("graphics.jar", "mediate.igd 1.0.0: ACTIVE ");
        assertThat(history.events()).containsExactly("installed mediate.igd", "started mediate.igd");
        eventually().untilAsserted(() -> assertThat(log.lines())
                .anyMatch(line -> line.endsWith("graphics.jar (mediate.igd 1.0.0) is active")));
        assertThat(log.warnings()).hasSize(1);
    }

    /** The driver of a device in use must not go because somebody's copy stalls. */
    @Test
    public void aDriverInUseGoesOnWhileItsFileIsNoBundle() throws IOException {
        Path file = BundleCopy.of(GRAPHICS).version("1.0.0").write(deploy("graphics.jar"));
        awaitStatus("graphics.jar", "mediate.igd 1.0.0: ACTIVE ");
        OpenDevice device = open(IGD);
        history.forget();
        byte[] next = BundleCopy.of(GRAPHICS).version("1.1.0").bytes();

        Files.write(file, Arrays.copyOf(next, 1000));
        awaitStatus("graphics.jar", ": NOT_A_BUNDLE it is no jar");
        assertThat(status("graphics.jar")).endsWith("; 1.0.0 from before goes on");
        assertThat(history.events()).isEmpty();
        assertThat(device.mediator()).contains("igd");

        Files.write(file, next);
        awaitStatus("graphics.jar", "mediate.igd 1.1.0: ACTIVE ");
        eventually().untilAsserted(() -> assertThat(device.mediator()).contains("igd"));
        assertThat(device.handOvers().count()).isEqualTo(1);
    }

    @Test
    public void whatIsNoBundleOrHasAWrongManifestIsSaidOnceAndDisturbsNobody() throws IOException {
        BundleCopy.of(GRAPHICS).version("1.0.0").write(deploy("good.jar"));
        awaitStatus("good.jar", "mediate.igd 1.0.0: ACTIVE ");
        history.forget();

        byte[] damaged = BundleCopy.of(GRAPHICS).version("2.0.0").bytes();
        Arrays.fill(damaged, damaged.length / 2, damaged.length / 2 + 20, (byte) 0x5a);
        BundleCopy.write(deploy("damaged.jar"), damaged);
        BundleCopy.of(GRAPHICS).header("Bundle-SymbolicName", null).write(deploy("plain.jar"));
        BundleCopy.of(GRAPHICS).version("one").write(deploy("version.jar"));
        BundleCopy.of(GRAPHICS)
                .header("Bundle-SymbolicName", "offer")
                .header("Provide-Capability", "vfio.pci.mediate;vendor=0x8086")
                .write(deploy("offer.jar"));
        BundleCopy.of(GRAPHICS)
                .header("Bundle-SymbolicName", "activator")
                .header("Bundle-Activator", "no.such.Class")
                .write(deploy("activator.jar"));

        awaitStatus("damaged.jar", "mediate.igd 2.0.0: NOT_A_BUNDLE ");
        awaitStatus(
                "plain.jar", ": NOT_A_BUNDLE it is a plain jar, no bundle: its manifest has no Bundle-SymbolicName");
        awaitStatus("version.jar", ": WRONG_MANIFEST its Bundle-Version is 'one', which is no version");
        awaitStatus("offer.jar", ": WRONG_MANIFEST its capability vfio.pci.mediate has vendor '0x8086'");
        eventually().untilAsserted(() -> assertThat(status("activator.jar")).contains(": FAILED "));
        assertThat(status("activator.jar")).endsWith(": FAILED the framework refused it: Not found: no.such.Class");
        assertThat(history.events())
                .filteredOn(event -> !event.endsWith(" activator"))
                .isEmpty();
        assertThat(shown("vfio:mediators"))
                .contains("wrong manifest", "not a bundle", "failed", "its Bundle-Version is 'one'");

        // Something else changes: nothing is tried or logged again for it.
        List<String> tries = history.events();
        BundleCopy.of(GRAPHICS)
                .header("Bundle-SymbolicName", "another")
                .version("1.0.0")
                .write(deploy("another.jar"));
        awaitStatus("another.jar", "another 1.0.0: ACTIVE");
        assertThat(history.events())
                .filteredOn(event -> event.endsWith(" activator"))
                .isEqualTo(tries);
        eventually().untilAsserted(() -> assertThat(log.warnings()).hasSize(5));
        assertThat(log.warnings())
                .anyMatch(line -> line.contains("damaged.jar (mediate.igd 2.0.0) is not a bundle: "))
                .anyMatch(line -> line.contains("plain.jar is not a bundle: it is a plain jar"))
                .anyMatch(line -> line.contains("version.jar is wrong manifest: its Bundle-Version"))
                .anyMatch(line -> line.contains("offer.jar is wrong manifest: "))
                .anyMatch(line -> line.contains("activator.jar (activator "));
    }

    @Test
    public void aMissingImportIsNamedAndSatisfiedLater() throws IOException {
        String imports = "vfio.pci.api.device,vfio.pci.api.mediate,vfio.pci.api.pci,migration.region,com.acme.util";
        BundleCopy.of(GRAPHICS)
                .version("1.0.0")
                .header("Import-Package", imports)
                .write(deploy("graphics.jar"));
        awaitStatus(
                "graphics.jar",
                "mediate.igd 1.0.0: UNRESOLVED it needs the package com.acme.util, which no bundle exports");
        assertThat(history.events()).containsExactly("installed mediate.igd");
        assertThat(shown("vfio:mediators")).contains("unresolved", "com.acme.util");

        Path library = BundleCopy.of("migration.region")
                .header("Bundle-SymbolicName", "acme")
                .header("Export-Package", "com.acme.util")
                .header("Provide-Capability", null)
                .write(deploy("acme.jar"));
        awaitStatus("graphics.jar", "mediate.igd 1.0.0: ACTIVE ");
        eventually().untilAsserted(() -> assertThat(history.events())
                .containsExactly("installed mediate.igd", "installed acme", "started acme", "started mediate.igd"));

        eventually().untilAsserted(() -> assertThat(log.lines())
                .anyMatch(line -> line.endsWith("graphics.jar (mediate.igd 1.0.0) is active")));
        history.forget();
        Files.delete(library);
        awaitStatus("graphics.jar", "mediate.igd 1.0.0: UNRESOLVED ");
        assertThat(history.events()).containsExactly("stopped mediate.igd", "stopped acme", "uninstalled acme");
        eventually().untilAsserted(() -> assertThat(log.warnings()).hasSize(2));
    }

    @Test
    public void ofTwoVersionsTheOneThatIsAskedFirstIsNamed() {
        BundleCopy.of(GRAPHICS).version("1.0.0").write(deploy("graphics-1.0.jar"));
        awaitStatus("graphics-1.0.jar", "mediate.igd 1.0.0: ACTIVE ");
        history.forget();
        BundleCopy.of(GRAPHICS).version("1.1.0").write(deploy("graphics-1.1.jar"));
        awaitStatus("graphics-1.1.jar", "mediate.igd 1.1.0: ACTIVE two versions at once: ");

        String folder = deploy("x").getParent().getFileName().toString();
        assertThat(status("graphics-1.1.jar"))
                .isEqualTo("mediate.igd 1.1.0: ACTIVE two versions at once: besides 1.0.0 from " + folder
                        + "/graphics-1.0.jar; 1.0.0 is asked first");
        assertThat(status("graphics-1.0.jar"))
                .isEqualTo("mediate.igd 1.0.0: ACTIVE two versions at once: besides 1.1.0 from " + folder
                        + "/graphics-1.1.jar; 1.0.0 is asked first");
        assertThat(shown("vfio:mediators")).contains("two versions at once");
        assertThat(history.events()).containsExactly("installed mediate.igd", "started mediate.igd");
    }

    /** Left to itself, File Install would update the other bundle, and uninstall it with the file. */
    @Test
    public void aBundleOfTheDistributionIsNotTakenForTheFileOfAnEqualOne() throws IOException {
        Path file = BundleCopy.of("vfio.shell").write(deploy("shell.jar"));
        eventually().untilAsserted(() -> assertThat(status("shell.jar")).contains(": FAILED "));
        assertThat(status("shell.jar")).contains(": FAILED ", "is installed already, from bundles/vfio.shell.jar");
        Files.delete(file);
        eventually().untilAsserted(() -> assertThat(files()).isEmpty());

        assertThat(history.events()).isEmpty();
        assertThat(shown("vfio:mediators")).startsWith("No mediate drivers");
    }

    private void awaitStatus(String name, String start) {
        eventually().untilAsserted(() -> assertThat(status(name)).startsWith(start));
    }

    private String status(String name) {
        return files().stream()
                .filter(file -> file.file().endsWith(name))
                .map(file -> file.bundle() + ": " + file.state() + " " + file.reason())
                .findFirst()
                .orElse(name + " is not listed");
    }

    private List<BundleFile> files() {
        return service(BundleFiles.class).files();
    }

    private Path deploy(String name) {
        return Path.of(context.getProperty(DEPLOY_DIRECTORY), name);
    }

    /** What the shell shows of a command's result. */
    private String shown(String command) {
        OutputStream output = OutputStream.nullOutputStream();
        try (CommandSession session =
                service(CommandProcessor.class).createSession(new ByteArrayInputStream(new byte[0]), output, output)) {
            return String.valueOf(session.format(session.execute(command), Converter.INSPECT));
        } catch (Exception e) {
            throw new AssertionError(command + " failed", e);
        }
    }
}
