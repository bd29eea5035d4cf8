package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.BundleFiles.Folder;
import vfio.pci.api.manage.BundleFiles.State;

class DeployFolderTest {
    private static final String LICENCE = "com.acme.licence";

    @TempDir
    Path home;

    private TestFramework framework;
    private BundleFolders folders;
    private DeployFolder folder;
    private BundleFilesComponent files;
    private Path deploy;
    private Path repository;

    @BeforeEach
    void start() throws Exception {
        deploy = Files.createDirectory(TestFramework.deploy(home));
        repository = Files.createDirectory(TestFramework.repository(home));
        framework = new TestFramework(home);
        folders = new BundleFolders(framework.context());
        folder = new DeployFolder(folders, new BundleLife(framework.context()));
        files = new BundleFilesComponent(folders, framework.context());
    }

    @AfterEach
    void stop() throws Exception {
        framework.close();
    }

    @Test
    void copyIsInstallOverwriteIsUpdateDeleteIsUninstall() throws Exception {
        Path file = BundleBuilder.driver("a", "1").write(deploy.resolve("a.jar"));
        assertThat(status(file)).isEqualTo(": WAITING it is looked at when it does not change any more");
        folder.deploy(file);
        assertThat(framework.events()).containsExactly("installed a", "started a");
        assertThat(status(file)).isEqualTo("a 1.0.0: ACTIVE ");

        BundleBuilder.driver("a", "2").write(file);
        folder.deploy(file);
        assertThat(framework.events()).containsExactly("stopped a", "updated a", "started a");
        assertThat(status(file)).isEqualTo("a 2.0.0: ACTIVE ");

        Files.delete(file);
        folder.remove(file);
        assertThat(framework.events()).containsExactly("stopped a", "uninstalled a");
        assertThat(files.files()).isEmpty();
    }

    @Test
    void aFileThatIsReportedAgainWithoutAChangeRestartsNobody() {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");

        folder.deploy(file);
        folder.retry();

        assertThat(framework.events()).isEmpty();
    }

    @Test
    void aHalfCopiedFileIsNoBundleUntilItIsComplete() {
        byte[] whole = BundleBuilder.driver("a", "1").bytes();
        Path file = BundleBuilder.write(deploy.resolve("a.jar"), Arrays.copyOf(whole, whole.length / 2));
        folder.deploy(file);
        assertThat(framework.events()).isEmpty();
        assertThat(status(file)).startsWith(": NOT_A_BUNDLE it is no jar, is damaged, or is not complete yet (");

        BundleBuilder.write(file, whole);
        folder.deploy(file);
        assertThat(framework.events()).containsExactly("installed a", "started a");
        assertThat(status(file)).isEqualTo("a 1.0.0: ACTIVE ");
    }

    @Test
    void whatRunsGoesOnWhenItsFileIsOverwrittenByNoBundle() {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");

        BundleBuilder.write(file, new byte[100]);
        folder.deploy(file);
        assertThat(framework.events()).isEmpty();
        assertThat(status(file)).startsWith(": NOT_A_BUNDLE it is no jar").endsWith("; 1.0.0 from before goes on");
        assertThat(files.files().get(0).bundleId())
                .isEqualTo(framework.bundle("a").getBundleId());

        BundleBuilder.driver("a", "2").write(file);
        folder.deploy(file);
        assertThat(framework.events()).containsExactly("stopped a", "updated a", "started a");
        assertThat(status(file)).isEqualTo("a 2.0.0: ACTIVE ");
    }

    @Test
    void damageBehindTheManifestIsNoBundleEither() {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");
        byte[] bytes = BundleBuilder.driver("a", "2").bytes();
        // In the code of the driver: the manifest comes first and the directory last.
        bytes[bytes.length / 2] ^= 0x01;
        BundleBuilder.write(file, bytes);

        folder.deploy(file);

        assertThat(framework.events()).isEmpty();
        assertThat(status(file)).startsWith("a 2.0.0: NOT_A_BUNDLE").endsWith("; 1.0.0 from before goes on");
    }

    @Test
    void aWrongManifestIsSaidToBe() {
        Path file = BundleBuilder.driver("a", "1").offering("vendor=intel").write(deploy.resolve("a.jar"));
        folder.deploy(file);

        assertThat(framework.events()).isEmpty();
        assertThat(status(file))
                .isEqualTo(": WRONG_MANIFEST its capability vfio.pci.mediate has vendor 'intel', which must be four"
                        + " lower-case hexadecimal digits");
    }

    @Test
    void whatTheFrameworkRefusesIsQuoted() {
        Path file =
                BundleBuilder.named("a", "1").header("Import-Package", "b,b").write(deploy.resolve("a.jar"));
        folder.deploy(file);

        assertThat(status(file)).startsWith("a 1.0.0: FAILED the framework refused it: ");
    }

    @Test
    void aMissingImportIsNamedAndTheBundleStartsWhenItIsThere() throws Exception {
        Path file = deploy.resolve("a.jar");
        BundleBuilder.driver("a", "1")
                .header("Import-Package", "vfio.pci.api.mediate,org.osgi.framework," + LICENCE)
                .write(file);
        folder.deploy(file);
        folder.retry();
        assertThat(framework.events()).containsExactly("installed a");
        assertThat(status(file))
                .isEqualTo("a 1.0.0: UNRESOLVED it needs the package com.acme.licence, which no bundle exports");

        Path library = deployed(library("1"), "library.jar");
        folder.retry();
        assertThat(framework.events()).containsExactly("started a");
        assertThat(status(file)).isEqualTo("a 1.0.0: ACTIVE ");

        Files.delete(library);
        folder.remove(library);
        folder.retry();
        assertThat(framework.events()).containsExactly("stopped a", "stopped library", "uninstalled library");
        assertThat(status(file)).startsWith("a 1.0.0: UNRESOLVED it needs");
    }

    @Test
    void whatRunsGoesOnWhileTheNextVersionMissesSomething() {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");
        BundleBuilder.driver("a", "2")
                .header("Import-Package", "vfio.pci.api.mediate,org.osgi.framework," + LICENCE)
                .write(file);
        folder.deploy(file);
        folder.retry();
        assertThat(framework.events()).isEmpty();
        assertThat(status(file))
                .isEqualTo("a 2.0.0: UNRESOLVED it needs the package com.acme.licence, which no bundle exports;"
                        + " 1.0.0 from before goes on");

        deployed(library("1"), "library.jar");
        folder.retry();
        assertThat(framework.events()).containsExactly("stopped a", "updated a", "started a");
        assertThat(status(file)).isEqualTo("a 2.0.0: ACTIVE ");
    }

    @Test
    void anUpdatedLibraryRestartsThoseThatUseItAndNobodyElse() {
        Path library = deployed(library("1"), "library.jar");
        deployed(
                BundleBuilder.driver("user", "1")
                        .header("Import-Package", "vfio.pci.api.mediate,org.osgi.framework," + LICENCE),
                "user.jar");
        deployed(
                BundleBuilder.driver("optional", "1")
                        .header(
                                "Import-Package",
                                "vfio.pci.api.mediate,org.osgi.framework,com.acme.other;resolution:=optional"),
                "optional.jar");
        deployed(BundleBuilder.driver("other", "1"), "other.jar");

        library("2").header("Export-Package", LICENCE + ",com.acme.other").write(library);
        folder.deploy(library);

        assertThat(framework.events())
                .containsExactly(
                        "stopped user", "stopped library", "updated library", "started library", "started user");
    }

    @Test
    void anActivatorThatFailsIsQuotedAndNotTriedAgainUntilTheFileChanges() {
        Path file = BundleBuilder.driver("a", "1").header("Test-Driver", "fail").write(deploy.resolve("a.jar"));
        folder.deploy(file);
        folder.retry();
        assertThat(framework.events()).containsExactly("installed a", "stopped a");
        assertThat(status(file))
                .isEqualTo("a 1.0.0: FAILED its activator failed: java.lang.IllegalStateException: no firmware");

        BundleBuilder.driver("a", "1").write(file);
        folder.deploy(file);
        assertThat(framework.events()).containsExactly("updated a", "started a");
        assertThat(status(file)).isEqualTo("a 1.0.0: ACTIVE ");
    }

    @Test
    void whatTheOperatorStoppedStaysStopped() throws Exception {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");
        framework.bundle("a").stop();
        folder.retry();
        BundleBuilder.driver("a", "2").write(file);
        folder.deploy(file);

        assertThat(framework.events()).containsExactly("stopped a", "updated a");
        assertThat(status(file))
                .isEqualTo("a 2.0.0: RESOLVED it was stopped; felix:start "
                        + framework.bundle("a").getBundleId() + " starts it");
    }

    @Test
    void aFileThatStillChangesIsLeftAlone() throws Exception {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");
        BundleBuilder.driver("a", "2").write(file);

        folder.retry();

        assertThat(framework.events()).isEmpty();
        assertThat(status(file))
                .isEqualTo(": WAITING it is looked at when it does not change any more; 1.0.0 from before goes on");
    }

    @Test
    void whatTheOperatorUninstalledIsPointedOut() throws Exception {
        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");

        framework.bundle("a").uninstall();

        assertThat(status(file))
                .isEqualTo("a 1.0.0: FAILED its bundle was uninstalled; touch the file to install it again");
    }

    @Test
    void twoVersionsRunAndOneIsAskedFirst() {
        Path older = deployed(BundleBuilder.driver("a", "1"), "a-1.jar");
        Path newer = deployed(BundleBuilder.driver("a", "2"), "a-2.jar");
        assertThat(status(older))
                .isEqualTo("a 1.0.0: ACTIVE two versions at once: besides 2.0.0 from deploy/a-2.jar;"
                        + " none of them offers a driver now");

        FakeManager manager = FakeManager.register(framework.context());
        manager.mediators = List.of(
                FakeManager.mediator(framework.bundles("a").get(1)),
                FakeManager.mediator(framework.bundles("a").get(0)));

        assertThat(status(older))
                .isEqualTo("a 1.0.0: ACTIVE two versions at once: besides 2.0.0 from deploy/a-2.jar;"
                        + " 2.0.0 is asked first");
        assertThat(status(newer))
                .isEqualTo("a 2.0.0: ACTIVE two versions at once: besides 1.0.0 from deploy/a-1.jar;"
                        + " 2.0.0 is asked first");
    }

    @Test
    void oneVersionTwiceIsRefusedUntilTheOtherIsGone() throws Exception {
        Path first = deployed(BundleBuilder.driver("a", "1"), "first.jar");
        Path second = BundleBuilder.driver("a", "1").write(deploy.resolve("second.jar"));
        folder.deploy(second);
        folder.retry();
        assertThat(framework.events()).isEmpty();
        assertThat(status(second))
                .isEqualTo("a 1.0.0: FAILED a 1.0.0 is installed already, from deploy/first.jar: vfio:update "
                        + framework.bundle("a").getBundleId() + " replaces that");

        Files.delete(first);
        folder.remove(first);
        folder.retry();
        assertThat(framework.events()).containsExactly("stopped a", "uninstalled a", "installed a", "started a");
        assertThat(status(second)).isEqualTo("a 1.0.0: ACTIVE ");
    }

    @Test
    void whatWasLoadedOnDemandMakesWay() throws Exception {
        Path loaded = BundleBuilder.driver("a", "1").write(repository.resolve("a.jar"));
        framework.context().installBundle(Locations.of(loaded)).start();
        framework.events();

        Path file = deployed(BundleBuilder.driver("a", "1"), "a.jar");

        assertThat(framework.bundle("a").getLocation()).isEqualTo(Locations.of(file));
        assertThat(status(loaded)).isEqualTo("a 1.0.0: AVAILABLE it is not loaded besides 1.0.0 from deploy/a.jar");
    }

    @Test
    void filesOfTheRepositorySayWhatTheyAreFor() {
        Path driver = BundleBuilder.driver("driver", "1").write(repository.resolve("a.jar"));
        Path silent = BundleBuilder.named("silent", "1").write(repository.resolve("b.jar"));
        Path broken = BundleBuilder.write(repository.resolve("c.jar"), new byte[10]);

        assertThat(status(driver)).isEqualTo("driver 1.0.0: AVAILABLE for 8086:154c");
        assertThat(status(silent))
                .isEqualTo("silent 1.0.0: AVAILABLE it does not say which devices it mediates, so it is never loaded");
        assertThat(status(broken)).startsWith(": NOT_A_BUNDLE it is no jar");
        assertThat(files.loadable(TestDevice.VF)).extracting(BundleFile::file).containsExactly(driver);
        assertThat(files.loadable(TestDevice.IGD)).isEmpty();
    }

    @Test
    void aLoadedFileThatHasChangedIsPointedOut() throws Exception {
        Path file = BundleBuilder.driver("a", "1").write(repository.resolve("a.jar"));
        framework.context().installBundle(Locations.of(file)).start();
        assertThat(status(file)).isEqualTo("a 1.0.0: ACTIVE ");

        BundleBuilder.driver("a", "2").write(file);

        assertThat(status(file))
                .isEqualTo("a 2.0.0: ACTIVE 1.0.0 runs, which is not what the file is: vfio:update "
                        + framework.bundle("a").getBundleId() + " takes the file");
    }

    @Test
    void deployComesBeforeRepository() throws IOException {
        BundleBuilder.named("r", "1").write(repository.resolve("r.jar"));
        BundleBuilder.named("d", "1").write(deploy.resolve("d.jar"));

        assertThat(files.files()).extracting(BundleFile::folder).containsExactly(Folder.DEPLOY, Folder.REPOSITORY);
        assertThat(files.files()).extracting(BundleFile::state).containsExactly(State.WAITING, State.AVAILABLE);
    }

    /** Copied, and carried out; nothing is noted of it. */
    private Path deployed(BundleBuilder bundle, String name) {
        Path file = bundle.write(deploy.resolve(name));
        folder.deploy(file);
        assertThat(folders.bundleOf(file).map(Bundle::getState)).contains(Bundle.ACTIVE);
        framework.events();
        return file;
    }

    private static BundleBuilder library(String version) {
        return BundleBuilder.named("library", version).header("Export-Package", LICENCE);
    }

    private String status(Path file) {
        return files.files().stream()
                .filter(found -> found.file().equals(file))
                .map(found -> found.bundle() + ": " + found.state() + " " + found.reason())
                .findFirst()
                .orElse("not listed");
    }
}
