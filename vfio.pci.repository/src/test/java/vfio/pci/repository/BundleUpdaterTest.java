package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.BundleUpdater.Update;

class BundleUpdaterTest {
    private static final String IMPORTS = "vfio.pci.api.mediate,org.osgi.framework";

    @TempDir
    Path home;

    private TestFramework framework;
    private BundleUpdaterComponent updater;
    private Bundle driver;

    @BeforeEach
    void start() throws Exception {
        framework = new TestFramework(home);
        updater = new BundleUpdaterComponent(new BundleFolders(framework.context()), framework.context());
        install("library", BundleBuilder.named("library", "1").header("Export-Package", "com.acme.util"));
        install("user", BundleBuilder.driver("user", "1").header("Import-Package", IMPORTS + ",com.acme.util"));
        driver = install("driver", BundleBuilder.driver("driver", "1"));
        framework.events();
    }

    @AfterEach
    void stop() throws Exception {
        framework.close();
    }

    @Test
    void aBundleIsUpdatedFromItsOwnFile() {
        BundleBuilder.driver("driver", "2").write(home.resolve("driver.jar"));

        assertThat(updater.update(driver.getBundleId(), Optional.empty()))
                .isEqualTo(new Update("1.0.0", "2.0.0", List.of()));
        assertThat(framework.events()).containsExactly("stopped driver", "updated driver", "started driver");
    }

    @Test
    void aBundleIsUpdatedFromAnotherFileAndFromAReference() throws Exception {
        Path own = BundleBuilder.driver("third", "1").write(home.resolve("third.jar"));
        Bundle third = framework.context().installBundle("reference:" + own.toUri());
        third.start();
        Path other = BundleBuilder.driver("third", "2").write(home.resolve("other.jar"));

        assertThat(updater.update(third.getBundleId(), Optional.of(other)).after())
                .isEqualTo("2.0.0");
        assertThat(updater.update(third.getBundleId(), Optional.empty()).after())
                .isEqualTo("1.0.0");
        assertThat(third.getState()).isEqualTo(Bundle.ACTIVE);
    }

    @Test
    void thoseThatUseItAreRestartedAndNobodyElse() {
        Path file = BundleBuilder.named("library", "2")
                .header("Export-Package", "com.acme.util")
                .write(home.resolve("other.jar"));

        Update update = updater.update(framework.bundle("library").getBundleId(), Optional.of(file));

        assertThat(update.restarted()).containsExactly("user");
        assertThat(framework.events())
                .containsExactly(
                        "stopped user", "stopped library", "updated library", "started library", "started user");
    }

    @Test
    void whoMissesSomethingThenIsNotCountedAsRestarted() {
        Path file = BundleBuilder.named("library", "2").write(home.resolve("other.jar"));

        Update update = updater.update(framework.bundle("library").getBundleId(), Optional.of(file));

        assertThat(update.restarted()).isEmpty();
        assertThat(framework.bundle("user").getState()).isEqualTo(Bundle.INSTALLED);
    }

    @Test
    void whatCannotTakeItsPlaceLeavesItAsItIs() {
        refused(Errno.ENOENT, home.resolve("absent.jar"), "there is no file " + home.resolve("absent.jar"));
        refused(
                Errno.EINVAL,
                BundleBuilder.write(home.resolve("x.jar"), new byte[100]),
                home.resolve("x.jar") + " does not replace driver 1.0.0, which is left as it is: it is no jar, is");
        refused(Errno.EINVAL, BundleBuilder.driver("another", "2").write(home.resolve("x.jar")), "it is another 2.0.0");
        refused(
                Errno.EINVAL,
                BundleBuilder.driver("driver", "2")
                        .header("Import-Package", IMPORTS + ",com.acme.firmware")
                        .write(home.resolve("x.jar")),
                "it needs the package com.acme.firmware, which no bundle exports");
        refused(
                Errno.EINVAL,
                BundleBuilder.driver("driver", "one").write(home.resolve("x.jar")),
                "its Bundle-Version is 'one', which is no version");

        assertThat(framework.events()).isEmpty();
        assertThat(driver.getState()).isEqualTo(Bundle.ACTIVE);
    }

    @Test
    void whatDoesNotStartIsSaidToBeDown() {
        Path file = BundleBuilder.driver("driver", "2")
                .header("Test-Driver", "fail")
                .write(home.resolve("x.jar"));

        refused(
                Errno.EIO,
                file,
                "driver 2.0.0 does not run after the update failed: its activator failed:"
                        + " java.lang.IllegalStateException: no firmware");
    }

    @Test
    void anUnknownBundleAndTheFrameworkAreRefused() {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> updater.update(4711, Optional.empty()))
                .withMessage("there is no bundle 4711");
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> updater.update(0, Optional.empty()))
                .withMessageContaining("framework");
    }

    private void refused(Errno errno, Path file, String sentence) {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> updater.update(driver.getBundleId(), Optional.of(file)))
                .withMessageContaining(sentence)
                .extracting(VfioException::errno)
                .isEqualTo(errno);
    }

    private Bundle install(String name, BundleBuilder content) throws BundleException {
        Path file = content.write(home.resolve(name + ".jar"));
        Bundle installed = framework.context().installBundle(Locations.of(file));
        installed.start();
        return installed;
    }
}
