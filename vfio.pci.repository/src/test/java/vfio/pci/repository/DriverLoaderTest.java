package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.Constants;
import org.osgi.framework.SynchronousBundleListener;
import org.osgi.framework.startlevel.BundleStartLevel;
import vfio.pci.api.manage.DriverLoader.Attempt;

class DriverLoaderTest {
    private static final int LIMIT = 1000;

    @TempDir
    Path home;

    private TestFramework framework;
    private BundleFolders folders;
    private DriverLoaderComponent loader;
    private Path repository;

    @BeforeEach
    void start() throws Exception {
        repository = Files.createDirectory(TestFramework.repository(home));
        framework = new TestFramework(home);
        folders = new BundleFolders(framework.context());
        loader = loader(LIMIT, -1);
    }

    @AfterEach
    void stop() throws Exception {
        loader.deactivate();
        framework.close();
    }

    @Test
    void nothingIsLoadedForADeviceThatNobodyServes() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.IGD)).isEmpty();
        assertThat(framework.events()).isEmpty();
    }

    @Test
    void aMatchingBundleIsStartedAndItsDriverIsThere() {
        Path file = BundleBuilder.driver("driver", "1.2.3").write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF)).containsExactly(loaded("driver 1.2.3"));
        Bundle bundle = framework.bundle("driver");
        assertThat(bundle.getState()).isEqualTo(Bundle.ACTIVE);
        assertThat(bundle.getRegisteredServices()).hasSize(1);
        assertThat(bundle.getLocation()).isEqualTo(file.toFile().toURI().toString());
        assertThat(bundle.adapt(BundleStartLevel.class).isPersistentlyStarted())
                .as("started for good")
                .isFalse();
        assertThat(folders.loaded()).containsExactly(bundle);
    }

    @Test
    void aLoadedBundleIsNotLoadedAgain() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));
        loader.load(TestDevice.VF);
        framework.events();

        assertThat(loader.load(TestDevice.VF)).isEmpty();
        assertThat(framework.events()).isEmpty();
    }

    @Test
    void whatTheOperatorInstalledIsNotLoadedBesides() throws Exception {
        BundleBuilder.driver("driver", "2").write(repository.resolve("driver.jar"));
        Path own = BundleBuilder.driver("driver", "1").write(home.resolve("own.jar"));
        framework.context().installBundle(own.toUri().toString());

        assertThat(loader.load(TestDevice.VF)).isEmpty();
        assertThat(framework.bundle("driver").getVersion()).hasToString("1.0.0");
    }

    @Test
    void whatHasLostItsLibraryIsLoadedAnew() throws Exception {
        BundleBuilder library = BundleBuilder.named("library", "1").header("Export-Package", "com.acme.util");
        Path file = library.write(home.resolve("library.jar"));
        framework.context().installBundle(file.toUri().toString());
        BundleBuilder.driver("driver", "1")
                .header("Import-Package", "vfio.pci.api.mediate,org.osgi.framework,com.acme.util")
                .write(repository.resolve("driver.jar"));
        assertThat(loader.load(TestDevice.VF)).containsExactly(loaded("driver 1.0.0"));
        new BundleLife(framework.context()).remove(framework.bundle("library"));
        assertThat(framework.bundle("driver").getState()).isEqualTo(Bundle.INSTALLED);
        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed("driver 1.0.0", "it needs the package com.acme.util, which no bundle exports"));

        framework.context().installBundle(file.toUri().toString());

        assertThat(loader.load(TestDevice.VF)).containsExactly(loaded("driver 1.0.0"));
    }

    @Test
    void ofOneNameTheHighestVersionIsLoadedAndNamesComeInOrder() {
        BundleBuilder.driver("two", "1.0").write(repository.resolve("a.jar"));
        BundleBuilder.driver("one", "1.9").write(repository.resolve("b.jar"));
        BundleBuilder.driver("one", "1.10").write(repository.resolve("c.jar"));
        BundleBuilder.driver("one", "1.2").write(repository.resolve("d.jar"));

        assertThat(loader.load(TestDevice.VF)).containsExactly(loaded("one 1.10.0"), loaded("two 1.0.0"));
        assertThat(framework.bundle("one").getVersion()).hasToString("1.10.0");
    }

    @Test
    void aMissingImportIsNamedAndTheBundleIsGoneAgain() {
        BundleBuilder.driver("driver", "1")
                .header("Import-Package", "vfio.pci.api.mediate,com.acme.util;version=\"[1,2)\"")
                .write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed(
                        "driver 1.0.0",
                        "it needs the package com.acme.util in version >=1.0.0 <2.0.0, which no bundle exports"));
        assertThat(framework.bundles("driver")).isEmpty();
    }

    @Test
    void anImportInAnotherVersionIsNamedWithTheOneThatIsThere() {
        BundleBuilder.driver("driver", "1")
                .header("Import-Package", "vfio.pci.api.mediate;version=\"[2,3)\",org.osgi.framework")
                .write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed(
                        "driver 1.0.0",
                        "it needs the package vfio.pci.api.mediate in version >=2.0.0 <3.0.0, which"
                                + " org.apache.felix.framework has in version 1.1.0"));
    }

    @Test
    void whatAnInstalledBundleMissesItselfIsNamedToo() throws Exception {
        Path library = BundleBuilder.named("library", "1")
                .header("Export-Package", "com.acme.util")
                .header("Require-Capability", "com.acme.licence")
                .write(home.resolve("library.jar"));
        framework.context().installBundle(library.toUri().toString());
        BundleBuilder.driver("driver", "1")
                .header("Import-Package", "vfio.pci.api.mediate,com.acme.util")
                .write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed(
                        "driver 1.0.0", "it needs library, and that needs com.acme.licence, which no bundle provides"));
    }

    @Test
    void anotherJavaIsNamed() {
        BundleBuilder.driver("driver", "1")
                .header("Require-Capability", "osgi.ee;filter:=\"(&(osgi.ee=JavaSE)(version=99))\"")
                .write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed(
                        "driver 1.0.0",
                        "it needs Java 99, and this is Java "
                                + Runtime.version().feature()));
    }

    @Test
    void anActivatorThatFailsIsQuotedAndTheBundleIsGoneAgain() {
        BundleBuilder.driver("driver", "1").header("Test-Driver", "fail").write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(
                        failed("driver 1.0.0", "its activator failed: java.lang.IllegalStateException: no firmware"));
        assertThat(framework.bundles("driver")).isEmpty();
    }

    @Test
    void aFailureIsTriedAgainAndOneFailureDoesNotStopTheOthers() {
        Path file =
                BundleBuilder.driver("bad", "1").header("Test-Driver", "fail").write(repository.resolve("bad.jar"));
        BundleBuilder.driver("good", "1").write(repository.resolve("good.jar"));
        assertThat(loader.load(TestDevice.VF))
                .extracting(Attempt::failure)
                .extracting(Optional::isPresent)
                .containsExactly(true, false);
        assertThat(failure(file)).contains("its activator failed: java.lang.IllegalStateException: no firmware");
        assertThat(loader.load(TestDevice.VF)).extracting(Attempt::bundle).containsExactly("bad 1.0.0");

        BundleBuilder.driver("bad", "2").write(file);

        assertThat(failure(file)).isEmpty();
        assertThat(loader.load(TestDevice.VF)).containsExactly(loaded("bad 2.0.0"));
    }

    @Test
    void aBundleWithoutADriverIsGivenUpInTime() {
        BundleBuilder.driver("driver", "1").header("Test-Driver", "silent").write(repository.resolve("driver.jar"));

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed("driver 1.0.0", "it started but offered no driver within 1000 ms"));
        assertThat(framework.bundle("driver").getState())
                .as("it may still come to it")
                .isEqualTo(Bundle.ACTIVE);
    }

    @Test
    void anActivatorThatNeverReturnsHoldsNobodyUp() {
        BundleBuilder.driver("driver", "1").header("Test-Driver", "hang").write(repository.resolve("driver.jar"));
        long start = System.nanoTime();

        assertThat(loader.load(TestDevice.VF))
                .containsExactly(failed("driver 1.0.0", "it did not start within 1000 ms"));
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMillis(2 * LIMIT));
    }

    @Test
    void aDamagedFileIsNotInstalled() {
        byte[] bytes =
                BundleBuilder.driver("driver", "1").entry("x", new byte[50_000]).bytes();
        byte[] broken = bytes.clone();
        for (int i = bytes.length / 2; i < bytes.length / 2 + 8; i++) {
            broken[i] ^= 0x55;
        }
        BundleBuilder.write(repository.resolve("driver.jar"), broken);

        assertThat(loader.load(TestDevice.VF))
                .allSatisfy(attempt -> assertThat(attempt.failure()).isPresent());
        assertThat(framework.events()).isEmpty();
    }

    @Test
    void manyThatWantOneBundleAtOnceAllFindItsDriver() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));
        List<Integer> drivers = new CopyOnWriteArrayList<>();

        CompletableFuture.allOf(IntStream.range(0, 8)
                        .mapToObj(i -> CompletableFuture.runAsync(() -> {
                            loader.load(TestDevice.VF);
                            drivers.add(registeredDrivers());
                        }))
                        .toArray(CompletableFuture[]::new))
                .join();

        assertThat(drivers).hasSize(8).containsOnly(1);
        assertThat(framework.events()).containsOnlyOnce("installed driver", "started driver");
    }

    @Test
    void nothingIsUnloadedUnlessItIsConfigured() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));
        loader.load(TestDevice.VF);

        loader.closed(TestDevice.VF);

        assertThat(threads("vfio-unload")).isEmpty();
    }

    @Test
    void whatNobodyUsesIsUnloadedAndLoadedAgainWhenNeeded() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));
        DriverLoaderComponent unloading = loader(LIMIT, 0);
        try {
            unloading.load(TestDevice.VF);
            framework.events();

            unloading.closed(TestDevice.VF);

            List<String> events = new ArrayList<>();
            Awaitility.await().until(() -> events.addAll(framework.events()) && events.size() > 1);
            assertThat(events).containsExactly("stopped driver", "uninstalled driver");
            assertThat(framework.bundles("driver")).isEmpty();
            assertThat(unloading.load(TestDevice.VF)).containsExactly(loaded("driver 1.0.0"));
        } finally {
            unloading.deactivate();
        }
        Awaitility.await()
                .untilAsserted(() -> assertThat(threads("vfio-unload")).isEmpty());
    }

    @Test
    void whatIsInUseIsNotUnloaded() throws Exception {
        BundleBuilder.driver("busy", "1").write(repository.resolve("busy.jar"));
        BundleBuilder.driver("idle", "1").write(repository.resolve("idle.jar"));
        DriverLoaderComponent unloading = loader(LIMIT, 0);
        try {
            unloading.load(TestDevice.VF);
            FakeManager manager = FakeManager.register(framework.context());
            manager.mediators = List.of(
                    FakeManager.mediator(framework.bundle("busy"), TestDevice.VF),
                    FakeManager.mediator(framework.bundle("idle")));

            unloading.closed(TestDevice.IGD);
            Awaitility.await().until(() -> framework.bundles("idle").isEmpty());
            assertThat(framework.bundles("busy")).hasSize(1);

            manager.mediators = List.of(FakeManager.mediator(framework.bundle("busy")));
            unloading.closed(TestDevice.VF);
            Awaitility.await().until(() -> framework.bundles("busy").isEmpty());
        } finally {
            unloading.deactivate();
        }
    }

    @Test
    void whatComesIntoUseWhileOthersAreUnloadedIsNotUnloaded() throws Exception {
        BundleBuilder.driver("one", "1").write(repository.resolve("one.jar"));
        BundleBuilder.driver("two", "1").write(repository.resolve("two.jar"));
        DriverLoaderComponent unloading = loader(LIMIT, 0);
        try {
            unloading.load(TestDevice.VF);
            FakeManager manager = FakeManager.register(framework.context());
            List<Bundle> loaded = List.of(framework.bundle("one"), framework.bundle("two"));
            framework.context().addBundleListener((SynchronousBundleListener) event -> {
                if (event.getType() == BundleEvent.STOPPED) {
                    manager.mediators = loaded.stream()
                            .filter(bundle -> bundle != event.getBundle())
                            .map(bundle -> FakeManager.mediator(bundle, TestDevice.VF))
                            .toList();
                }
            });

            unloading.closed(TestDevice.VF);
            Awaitility.await().until(() -> folders.loaded().size() < 2);
        } finally {
            unloading.deactivate();
        }
        // It has looked at both then.
        Awaitility.await()
                .untilAsserted(() -> assertThat(threads("vfio-unload")).isEmpty());
        assertThat(folders.loaded()).hasSize(1);
    }

    @Test
    void whatTheOperatorInstalledIsNotUnloaded() throws Exception {
        BundleBuilder.driver("loaded", "1").write(repository.resolve("loaded.jar"));
        Path own = BundleBuilder.driver("own", "1").write(home.resolve("own.jar"));
        framework.context().installBundle(own.toUri().toString()).start();
        DriverLoaderComponent unloading = loader(LIMIT, 0);
        try {
            unloading.load(TestDevice.VF);

            unloading.closed(TestDevice.VF);

            Awaitility.await().until(() -> framework.bundles("loaded").isEmpty());
            assertThat(framework.bundle("own").getState()).isEqualTo(Bundle.ACTIVE);
        } finally {
            unloading.deactivate();
        }
    }

    @Test
    void whatHasJustBeenLoadedIsLeftToThoseItWasLoadedFor() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));
        DriverLoaderComponent unloading = loader(LIMIT, 0);
        try {
            unloading.load(TestDevice.VF);
            long installed = framework.bundle("driver").getLastModified();
            unloading.closed(TestDevice.IGD);

            Awaitility.await().until(() -> framework.bundles("driver").isEmpty());

            assertThat(System.currentTimeMillis() - installed).isGreaterThanOrEqualTo(LIMIT);
        } finally {
            unloading.deactivate();
        }
    }

    @Test
    void threadsEndWithTheComponent() {
        BundleBuilder.driver("driver", "1").write(repository.resolve("driver.jar"));
        loader.load(TestDevice.VF);
        assertThat(threads("vfio-load")).isNotEmpty();

        loader.deactivate();

        Awaitility.await().untilAsserted(() -> assertThat(threads("vfio-load")).isEmpty());
        assertThat(loader.load(TestDevice.VF)).isEmpty();
    }

    private DriverLoaderComponent loader(int timeout, int unloadAfter) {
        return new DriverLoaderComponent(
                folders,
                framework.context(),
                new LoadLimits(Duration.ofMillis(timeout), Duration.ofSeconds(unloadAfter)));
    }

    private Optional<String> failure(Path file) {
        return folders.failure(folders.repository().jar(file).orElseThrow()).map(BundleFolders.Failure::sentence);
    }

    private int registeredDrivers() {
        try {
            var found = framework
                    .context()
                    .getAllServiceReferences(null, "(" + Constants.OBJECTCLASS + "=vfio.pci.api.mediate.MediateOps)");
            return found == null ? 0 : found.length;
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static Stream<String> threadNames() {
        return Thread.getAllStackTraces().keySet().stream().map(Thread::getName);
    }

    private static List<String> threads(String name) {
        return threadNames().filter(name::equals).toList();
    }

    private static Attempt loaded(String bundle) {
        return new Attempt(bundle, Optional.empty());
    }

    private static Attempt failed(String bundle, String sentence) {
        return new Attempt(bundle, Optional.of(sentence));
    }
}
