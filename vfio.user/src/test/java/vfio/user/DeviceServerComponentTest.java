package vfio.user;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.user.TestServer.assertAlive;
import static vfio.user.TestServer.eventually;

import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.osgi.framework.BundleContext;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceServer;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;

/** The sockets of functions that come, change and go. */
@Timeout(60)
class DeviceServerComponentTest {
    private final FakeManager manager = new FakeManager();
    private final List<String> threadsBefore = TestServer.threads();
    private DeviceServerComponent server;

    @TempDir
    Path directory;

    @AfterEach
    void nothingIsLeft() {
        server.deactivate();
        assertThat(socket()).doesNotExist();
        eventually(() -> assertThat(TestServer.threads()).isEqualTo(threadsBefore));
    }

    @ParameterizedTest
    @CsvSource({"0600, rw-------", "660, rw-rw----", "0777, rwxrwxrwx"})
    void socketsHaveTheConfiguredMode(String mode, String permissions) throws IOException {
        start(mode);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket())))
                .isEqualTo(permissions);
    }

    /** The narrowest mode is safe, and a VMM of the same user still reaches its device. */
    @ParameterizedTest
    @CsvSource({"''", "rw-rw----", "0668", "66", "07777", "-600", "0x1ff", "4294967296"})
    void aModeThatIsNoneIsTheNarrowest(String mode) throws IOException {
        start(mode);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket())))
                .isEqualTo("rw-------");
        try (VfioUserClient client = connect()) {
            assertAlive(client);
        }
    }

    @Test
    void aClientIsAskedBeforeItIsCutOff() {
        start("0600");
        try (VfioUserClient client = connect()) {
            FakeDevice device = manager.opened.get(0);
            device.beforeWithdrawal = reason -> {
                assertThat(reason).isEqualTo(FakeManager.ADDRESS + " has been removed");
                assertThat(socket()).doesNotExist();
                assertThat(server.endpoints()).isEmpty();
                assertAlive(client);
                assertThat(device.closed).isFalse();
                device.events.add("asked");
            };

            server.removeFunction(manager.device());

            assertThat(device.events).contains("asked");
            assertThat(device.closed).isTrue();
            assertThatThrownBy(client::info).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                    .isEqualTo(Errno.ENOTCONN));
        }
    }

    @Test
    void aClientThatClosesWhenAskedIsNotDisturbed() {
        start("0600");
        VfioUserClient client = connect();
        FakeDevice device = manager.opened.get(0);
        device.beforeWithdrawal = reason -> {
            client.close();
            eventually(() -> assertThat(device.closed).isTrue());
        };

        server.removeFunction(manager.device());

        assertThat(manager.opened).hasSize(1);
        assertThat(device.closed).isTrue();
    }

    @Test
    void aClientWithoutTheDeviceIsJustCutOff() {
        start("0600");
        try (RawClient client = new RawClient(socket())) {
            eventually(() -> assertThat(TestServer.threads()).contains("vfio-user " + FakeManager.ADDRESS));

            server.removeFunction(manager.device());

            assertThat(client.receive()).as("end of the stream").isNull();
            assertThat(manager.opened).isEmpty();
        }
    }

    @Test
    void aFailedWithdrawalStillEndsTheConnection() {
        start("0600");
        try (VfioUserClient client = connect()) {
            manager.opened.get(0).beforeWithdrawal = reason -> {
                throw new IllegalStateException("no");
            };

            assertThatThrownBy(() -> server.removeFunction(manager.device())).hasMessage("no");

            assertThatThrownBy(client::info).isInstanceOf(VfioException.class);
            assertThat(manager.opened.get(0).closed).isTrue();
        }
    }

    /** When the server stops, a client that does not listen is not waited for. */
    @Test
    void stoppingCutsWhoIsBeingAskedOff() throws Exception {
        start("0600");
        CountDownLatch asked = new CountDownLatch(1);
        try (VfioUserClient client = connect()) {
            FakeDevice device = manager.opened.get(0);
            device.beforeWithdrawal = reason -> {
                asked.countDown();
                eventually(() -> assertThat(device.closed).isTrue());
            };
            CompletableFuture<Void> removal = CompletableFuture.runAsync(() -> server.removeFunction(manager.device()));
            assertThat(asked.await(20, TimeUnit.SECONDS)).isTrue();
            assertAlive(client);

            server.deactivate();

            removal.get(20, TimeUnit.SECONDS);
            assertThatThrownBy(client::info).isInstanceOf(VfioException.class);
        }
    }

    @Test
    void aFunctionHasASocketWhileItIsAssignable() {
        manager.unassignableReason = () -> Optional.of("it has virtual functions");
        start("0600");
        assertThat(socket()).doesNotExist();
        assertThat(server.settled()).isTrue();

        manager.unassignableReason = Optional::empty;
        assertThat(server.settled()).isFalse();
        server.changeFunction(manager.device());
        assertThat(server.endpoints()).extracting(DeviceServer.Endpoint::socket).containsExactly(socket());
        assertThat(server.settled()).isTrue();
        try (VfioUserClient client = connect()) {
            server.changeFunction(manager.device());
            assertAlive(client);
            manager.unassignableReason = () -> Optional.of("it has virtual functions again");
            List<String> events = manager.opened.get(0).events;
            manager.opened.get(0).beforeWithdrawal = events::add;

            server.changeFunction(manager.device());

            assertThat(events).containsExactly("it has virtual functions again");
            assertThatThrownBy(client::info).isInstanceOf(VfioException.class);
        }
        assertThat(socket()).doesNotExist();
        assertThat(server.endpoints()).isEmpty();
    }

    @Test
    void aFunctionThatChangesWhileItIsAddedHasNoSocket() {
        Iterator<Optional<String>> answers = List.of(Optional.<String>empty(), Optional.of("it has virtual functions"))
                .iterator();
        manager.unassignableReason = answers::next;

        start("0600");

        assertThat(socket()).doesNotExist();
        assertThat(server.endpoints()).isEmpty();
    }

    private void start(String mode) {
        BundleContext context = (BundleContext) Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {BundleContext.class},
                (proxy, method, arguments) -> method.getName().equals("getProperty") ? directory.toString() : null);
        try {
            server = new DeviceServerComponent(context, manager, configuration(Map.of("socket_mode", mode)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        server.addFunction(manager.device());
    }

    private Path socket() {
        return directory.resolve(FakeManager.ADDRESS + ".sock");
    }

    private VfioUserClient connect() {
        return VfioUserClient.connect(socket(), ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(20)));
    }

    /** What Declarative Services makes of a configuration: the given values, defaults for the rest. */
    private static DeviceServerComponent.Configuration configuration(Map<String, Object> values) {
        Class<?> type = DeviceServerComponent.Configuration.class;
        return (DeviceServerComponent.Configuration) Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (proxy, method, arguments) -> values.getOrDefault(method.getName(), method.getDefaultValue()));
    }
}
