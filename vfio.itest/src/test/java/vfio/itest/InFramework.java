package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.ops4j.pax.exam.CoreOptions.bootDelegationPackages;
import static org.ops4j.pax.exam.CoreOptions.bundle;
import static org.ops4j.pax.exam.CoreOptions.composite;
import static org.ops4j.pax.exam.CoreOptions.frameworkProperty;
import static org.ops4j.pax.exam.CoreOptions.junitBundles;

import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import javax.inject.Inject;
import org.awaitility.core.ConditionFactory;
import org.junit.After;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;
import org.osgi.util.tracker.ServiceTracker;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * A test inside a framework with real bundles; one framework for each class. A subclass composes its framework from the
 * options here. What a test opens, registers or configures through the methods here is taken back after it.
 */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public abstract class InFramework {
    /** Framework property with the folder for sockets. */
    static final String SOCKET_DIRECTORY = "vfio.socket.dir";

    /** Framework property with the folder of bundles that are loaded on demand. */
    static final String REPOSITORY_DIRECTORY = "vfio.repository.dir";

    /** Framework property with the watched folder. */
    static final String DEPLOY_DIRECTORY = "felix.fileinstall.dir";

    /** SR-IOV capability of the simulated XL710. */
    private static final int FIRST_VF_OFFSET = 16;

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @Inject
    BundleContext context;

    private final List<ServiceTracker<?, ?>> trackers = new ArrayList<>();
    private final List<OpenDevice> opened = new ArrayList<>();
    private final List<ServiceRegistration<?>> registered = new ArrayList<>();
    private final List<Configured> configured = new ArrayList<>();

    /** The least a test needs: services, the contracts and the core. Class loading is as strict as in the distribution. */
    static Option core() {
        return composite(
                junitBundles(),
                frameworkProperty("felix.bootdelegation.implicit").value("false"),
                frameworkProperty("org.osgi.framework.bundle.parent").value("framework"),
                bootDelegationPackages(
                        "org.assertj.*", "org.awaitility", "org.awaitility.*", "org.hamcrest", "org.hamcrest.*"),
                bundles(
                        "org.osgi.util.function",
                        "org.osgi.util.promise",
                        "org.osgi.service.component",
                        "org.apache.felix.configadmin",
                        "org.apache.felix.scr",
                        "vfio.pci.api",
                        "vfio.pci.core"));
    }

    /** The simulated bus, still empty. */
    static Option simulatedBus() {
        return bundles("jna", "vfio.linux", "vfio.sim");
    }

    /** The devices of this host, not offered yet. */
    static Option hostDevices() {
        return bundles("vfio.host");
    }

    /** Moves devices. */
    static Option mover() {
        return bundles("vfio.migration");
    }

    /** The vendor bundles and their library. */
    static Option vendors() {
        return composite(library(), bundles("mediate.igd", "mediate.i40e"));
    }

    /** What vendor bundles use. */
    static Option library() {
        return bundles("migration.region");
    }

    /** The repository, with an empty folder of its own for bundles that are loaded on demand. */
    static Option repository() {
        return composite(
                frameworkProperty(REPOSITORY_DIRECTORY).value(temporaryFolder()), bundles("vfio.pci.repository"));
    }

    /** The package of the OSGi Repository specification. */
    static Option repositoryServices() {
        return bundles("org.osgi.service.repository");
    }

    /** The watched folder, as the distribution configures it but looked at more often. */
    static Option watchedFolder() {
        Properties settings = new Properties();
        try (Reader reader =
                Files.newBufferedReader(Path.of("").toAbsolutePath().resolveSibling("cnf/launch/config.properties"))) {
            settings.load(reader);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        settings.setProperty("felix.fileinstall.poll", "100");
        settings.setProperty(DEPLOY_DIRECTORY, temporaryFolder());
        return composite(
                composite(settings.stringPropertyNames().stream()
                        .filter(name -> name.startsWith("felix.fileinstall."))
                        .map(name -> frameworkProperty(name).value(settings.getProperty(name)))
                        .toArray(Option[]::new)),
                bundles("org.apache.felix.fileinstall"));
    }

    /** The protocol server, with sockets in a folder of its own. */
    static Option server() {
        return composite(
                frameworkProperty(SOCKET_DIRECTORY).value(temporaryFolder()), bundles("jakarta.json", "vfio.user"));
    }

    private static String temporaryFolder() {
        try {
            Path folder = Files.createTempDirectory("vfio");
            folder.toFile().deleteOnExit();
            return folder.toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The Gogo shell with our commands. */
    static Option shell() {
        return bundles("org.apache.felix.gogo.runtime", "org.apache.felix.gogo.command", "vfio.shell");
    }

    private static Option bundles(String... names) {
        Path folder = Path.of("target", "bundles").toAbsolutePath();
        return composite(Arrays.stream(names)
                .map(name -> bundle("reference:" + folder.resolve(name + ".jar").toUri()))
                .toArray(Option[]::new));
    }

    @After
    public void takeBack() {
        opened.forEach(OpenDevice::close);
        for (ServiceRegistration<?> registration : registered) {
            try {
                registration.unregister();
            } catch (IllegalStateException alreadyGone) {
                assertThat(alreadyGone).hasMessageContaining("unregistered");
            }
        }
        configured.forEach(Configured::remove);
        eventually().untilAsserted(() -> assertThat(addresses()).isEmpty());
        trackers.forEach(ServiceTracker::close);
    }

    /** Waits for a condition, without sleeping longer than it takes. */
    static ConditionFactory eventually() {
        return await().atMost(PATIENCE).pollDelay(Duration.ZERO).pollInterval(Duration.ofMillis(10));
    }

    /** A service, as soon as there is one. */
    <T> T service(Class<T> type) {
        ServiceTracker<T, T> tracker = new ServiceTracker<>(context, type, null);
        tracker.open();
        trackers.add(tracker);
        try {
            T service = tracker.waitForService(PATIENCE.toMillis());
            assertThat(service).as("a service %s", type.getName()).isNotNull();
            return service;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    DeviceManager manager() {
        return service(DeviceManager.class);
    }

    Bundle bundleNamed(String name) {
        return Arrays.stream(context.getBundles())
                .filter(bundle -> bundle.getSymbolicName().equals(name))
                .findFirst()
                .orElseThrow(() -> new AssertionError("bundle " + name + " is not installed"));
    }

    /** A factory configuration, and so, for the simulated bus, a card. */
    static final class Configured {
        private final Configuration configuration;
        private boolean removed;

        private Configured(Configuration configuration) {
            this.configuration = configuration;
        }

        void update(Map<String, Object> properties) {
            try {
                configuration.update(FrameworkUtil.asDictionary(properties));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Takes it back; a card is pulled. */
        void remove() {
            if (removed) {
                return;
            }
            try {
                configuration.delete();
                removed = true;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** Puts an XL710 on the simulated bus and waits until all of its functions are there. */
    Configured insertXl710(String address, int vfs) {
        Configured card = configure("vfio.sim.xl710", Map.of("address", address, "vfs", vfs));
        PciAddress physical = PciAddress.parse(address);
        awaitFunction(physical);
        for (int number = 0; number < vfs; number++) {
            awaitFunction(physical.withRoutingId(physical.routingId() + FIRST_VF_OFFSET + number));
        }
        return card;
    }

    /** Puts integrated graphics on the simulated bus and waits until it is there. */
    Configured insertIgd(String address) {
        Configured card = configure("vfio.sim.igd", Map.of("address", address, "aperture", 1));
        awaitFunction(PciAddress.parse(address));
        return card;
    }

    /** Makes a factory configuration. */
    Configured configure(String factoryPid, Map<String, Object> properties) {
        try {
            Configured made =
                    new Configured(service(ConfigurationAdmin.class).createFactoryConfiguration(factoryPid, "?"));
            configured.add(made);
            made.update(properties);
            return made;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void awaitFunction(PciAddress address) {
        eventually().untilAsserted(() -> assertThat(addresses()).contains(address));
    }

    List<PciAddress> addresses() {
        return manager().devices().stream().map(PciDevice::address).toList();
    }

    List<String> mediatorNames() {
        return manager().mediators().stream().map(MediatorInfo::name).toList();
    }

    /** Registers a driver of the test. */
    ServiceRegistration<MediateOps> register(String name, int ranking, MediateOps driver) {
        return register(driver, Map.of(MediateOps.NAME, name, "service.ranking", ranking));
    }

    ServiceRegistration<MediateOps> register(MediateOps driver, Map<String, Object> properties) {
        ServiceRegistration<MediateOps> registration =
                context.registerService(MediateOps.class, driver, FrameworkUtil.asDictionary(properties));
        registered.add(registration);
        return registration;
    }

    /** Registers the driver {@code greedy}: it is asked last and takes every device, with whatever another has left. */
    ServiceRegistration<MediateOps> registerGreedy() {
        return register("greedy", -10, context -> {
            Optional<HandOverState> state = context.handedOver();
            return Decision.accept(new Mediation() {
                @Override
                public Optional<HandOverState> suspend() {
                    return state;
                }
            });
        });
    }

    /** Opens a function for the user {@code test}. */
    OpenDevice open(String address, ClientFeature... features) {
        OpenDevice device = manager().open(PciAddress.parse(address), "test", ClientMemory.NONE, Set.of(features));
        opened.add(device);
        return device;
    }

    /** Four bytes of a region, through the mediation. */
    static int read(OpenDevice device, int region, long offset) {
        RegionAccess access = access(region, offset);
        device.read(access);
        return access.getInt(0);
    }

    /** Writes four bytes of a region, through the mediation. */
    static void write(OpenDevice device, int region, long offset, int value) {
        RegionAccess access = access(region, offset);
        access.putInt(0, value);
        device.write(access);
    }

    private static RegionAccess access(int region, long offset) {
        ByteBuffer data = ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        return new RegionAccess().wrap(region, offset, Integer.BYTES, data, 0);
    }
}
