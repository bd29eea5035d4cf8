package vfio.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.BundleContext;
import vfio.linux.UnixListener;
import vfio.migration.DeviceMoverComponent.Configuration;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.pci.PciAddress;

/** What an administrator says of one device, one after the other. */
@Timeout(60)
class DeviceMoverTest {
    private static final PciAddress ADDRESS = FakeRuntime.ADDRESS;
    private static final byte[] STATE = {1, 2, 3};

    private final FakeRuntime runtime = new FakeRuntime(4, STATE);

    @TempDir
    Path folder;

    private DeviceMoverComponent mover;

    @BeforeEach
    void start() {
        Configuration configuration = proxy(Configuration.class, folder.toString());
        mover = new DeviceMoverComponent(proxy(BundleContext.class, ""), runtime.manager(), configuration);
    }

    @AfterEach
    void stop() {
        mover.deactivate();
    }

    @Test
    void deviceInDoubtStandsStillUntilSomebodyDecides() throws Exception {
        moveInDoubt();
        assertThat(status().phase()).isEqualTo(Phase.IN_DOUBT);
        assertFails(Errno.EBUSY, () -> mover.save(ADDRESS, folder.resolve("state"), false));
        assertFails(Errno.EBUSY, this::moveInDoubt);
        assertFails(Errno.EBUSY, () -> mover.restore(ADDRESS, folder.resolve("state")));
        assertThat(status().phase()).as("what is known of it").isEqualTo(Phase.IN_DOUBT);
        assertThat(runtime.running).isFalse();
        assertThat(runtime.isLogged()).isTrue();

        mover.resume(ADDRESS);
        assertThat(runtime.running).isTrue();
        assertThat(runtime.isLogged()).isFalse();
        assertThat(runtime.state).isEqualTo(STATE);
        assertThat(status().phase()).isEqualTo(Phase.CANCELLED);
        assertFails(Errno.EINVAL, () -> mover.resume(ADDRESS));
    }

    @Test
    void savedDeviceCanBeResumedWhateverElseIsAskedFor() {
        mover.save(ADDRESS, folder.resolve("state"), false);
        assertFails(Errno.EBUSY, () -> mover.save(ADDRESS, folder.resolve("other"), false));
        assertFails(Errno.EBUSY, this::moveInDoubt);
        assertThat(status().phase()).isEqualTo(Phase.SAVED);
        assertThat(folder.resolve("other")).doesNotExist();

        Migratable client = runtime.migration.as("the client");
        client.startLogging(FakeRuntime.PAGE, List.of());
        mover.resume(ADDRESS);
        assertThat(runtime.running).isTrue();
        assertThat(runtime.isLogged()).as("the client goes on logging").isTrue();
    }

    @Test
    void savedDeviceThatWasResetIsMovedAgain() {
        mover.save(ADDRESS, folder.resolve("state"), false);
        assertThat(status().note()).isEmpty();
        runtime.device().reset();
        assertThat(status().phase()).isEqualTo(Phase.SAVED);
        assertThat(status().note()).contains("was reset here since");
        mover.save(ADDRESS, folder.resolve("state"), true);
        assertThat(status().phase()).isEqualTo(Phase.SNAPSHOT);
    }

    @Test
    void deviceThatCannotBeSavedRunsOn() {
        runtime.broken = "save";
        assertThatThrownBy(() -> mover.save(ADDRESS, folder.resolve("state"), false))
                .hasMessage("save fails");
        assertThat(runtime.running).isTrue();
        assertThat(runtime.migration.state()).isEqualTo(MigrationState.RUNNING);
        assertThat(status().phase()).isEqualTo(Phase.FAILED);
        assertThat(status().note()).isEqualTo("save fails");
        assertThat(folder.resolve("state")).doesNotExist();
    }

    @Test
    void fileThatCannotBeWrittenLetsTheDeviceRunOn() {
        assertFails(Errno.ENOENT, () -> mover.save(ADDRESS, folder.resolve("none/state"), false));
        assertThat(runtime.running).isTrue();
        assertThat(status().phase()).isEqualTo(Phase.FAILED);
    }

    @Test
    void moveOfADeviceThatOthersLogFailsAndLeavesItToThem() throws Exception {
        Migratable client = runtime.migration.as("the client");
        client.startLogging(FakeRuntime.PAGE, List.of());
        assertFails(Errno.EBUSY, this::moveInDoubt);
        assertThat(status().phase()).isEqualTo(Phase.FAILED);
        assertThat(status().note()).contains("the client has logged").doesNotContain("does not run");
        assertThat(runtime.running).isTrue();
        assertThat(runtime.isLogged()).isTrue();
    }

    /** To a target that takes all and goes when it is told to run the device. */
    private void moveInDoubt() throws Exception {
        Path socket = folder.resolve("target.sock");
        try (UnixListener listener = UnixListener.bind(socket, 0600)) {
            CompletableFuture<Void> target = CompletableFuture.runAsync(() -> {
                try (Link link = new Link(listener.accept())) {
                    link.receive();
                    Hello.encode(Hello.decode(link.received()).memory(), link.payload());
                    link.send(MessageType.ACCEPT);
                    MessageType type = link.receive();
                    while (type != MessageType.COMMIT) {
                        switch (type) {
                            case MEMORY ->
                                link.receiveMemory(new FakeRuntime(4).device().memory(), 0);
                            case ROUND -> link.sendEmpty(MessageType.STORED);
                            case LOAD -> link.sendEmpty(MessageType.LOADED);
                            default -> {}
                        }
                        type = link.receive();
                    }
                }
            });
            try {
                mover.migrate(ADDRESS, socket, MoveOptions.DEFAULT, status -> {});
                throw new AssertionError("the move succeeded");
            } catch (VfioException failed) {
                if (status().phase() == Phase.IN_DOUBT && failed.errno() == Errno.ECONNRESET) {
                    target.get(10, TimeUnit.SECONDS);
                    return;
                }
                throw failed;
            }
        }
    }

    private MoveStatus status() {
        return mover.status(ADDRESS).orElseThrow();
    }

    private static void assertFails(Errno errno, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .as("%s", e)
                .isEqualTo(errno));
    }

    /** Something that has one answer to all. */
    private static <T> T proxy(Class<T> type, Object answer) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> answer));
    }
}
