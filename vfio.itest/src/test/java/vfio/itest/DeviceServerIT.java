package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.ServiceRegistration;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceServer;
import vfio.pci.api.manage.DeviceServer.Endpoint;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;

/** The sockets of the devices: they come and go with them, and belong to nobody else. */
public class DeviceServerIT extends InFramework {
    private static final String IGD = "0000:00:02.0";
    private static final String PF = "0000:03:00.0";
    private static final String VF = "0000:03:02.0";

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server());
    }

    @Test
    public void socketsComeAndGoWithTheirDevices() {
        Configured card = insertXl710(PF, 2);
        insertIgd(IGD);
        awaitSockets(IGD, VF, "0000:03:02.1");
        assertThat(Files.exists(socket(PF)))
                .as("a socket for what cannot be assigned")
                .isFalse();
        card.remove();
        awaitSockets(IGD);
        insertXl710(PF, 1);
        awaitSockets(IGD, VF);
    }

    @Test
    public void socketsAreForTheirOwnerAlone() throws IOException {
        insertXl710(PF, 1);
        awaitSockets(VF);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket(VF))))
                .isEqualTo("rw-------");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder())))
                .isEqualTo("rwx------");
    }

    @Test
    public void aSocketAcceptsAsSoonAsItIsListed() throws IOException {
        insertIgd(IGD);
        awaitSockets(IGD);
        Endpoint endpoint = service(DeviceServer.class).endpoints().get(0);
        assertThat(endpoint.device().address()).isEqualTo(PciAddress.parse(IGD));
        assertThat(endpoint.socket()).isAbsolute().isEqualTo(socket(IGD));
        try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(endpoint.socket()))) {
            assertThat(client.isConnected()).isTrue();
        }
    }

    @Test
    public void aClientIsDisconnectedWhenItsDeviceGoes() throws IOException {
        Configured device = insertIgd(IGD);
        awaitSockets(IGD);
        try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket(IGD)))) {
            device.remove();
            awaitSockets();
            assertThat(client.read(ByteBuffer.allocate(1)))
                    .as("end of the stream")
                    .isEqualTo(-1);
        }
    }

    /** A driver that never returns costs its device; its client hears of it, and others get the device again. */
    @Test
    public void aClientThatIsInsideAStuckDriverIsDisconnectedAndTheNextIsServed() throws Exception {
        insertIgd(IGD);
        awaitSockets(IGD);
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        ServiceRegistration<MediateOps> driver =
                register("stuck", 100, context -> Decision.accept(stuckInRead(inside, go)));
        try (VfioUserClient client = connect(IGD)) {
            CompletableFuture<Integer> read = CompletableFuture.supplyAsync(() -> client.readInt(PciRegion.CONFIG, 0));
            assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();
            driver.unregister();

            assertThatThrownBy(() -> read.get(20, TimeUnit.SECONDS))
                    .cause()
                    .isInstanceOfSatisfying(
                            VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOTCONN));
            try (VfioUserClient next = connect(IGD)) {
                assertThat(next.readInt(PciRegion.CONFIG, 0)).isEqualTo(0x5927_8086);
            }
        } finally {
            go.countDown();
        }
    }

    @Test
    public void theSocketsGoWithTheBundle() throws BundleException {
        insertIgd(IGD);
        insertXl710(PF, 1);
        awaitSockets(IGD, VF);
        Bundle server = bundleNamed("vfio.user");
        server.stop();
        try {
            assertThat(Files.exists(socket(IGD))).isFalse();
            assertThat(Files.exists(socket(VF))).isFalse();
        } finally {
            server.start();
        }
        awaitSockets(IGD, VF);
    }

    /** As a runtime leaves it that was killed. */
    @Test
    public void aStaleSocketIsReplaced() throws IOException {
        ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        dead.bind(UnixDomainSocketAddress.of(socket(IGD)));
        dead.close();
        assertThat(Files.exists(socket(IGD))).isTrue();
        insertIgd(IGD);
        awaitSockets(IGD);

        try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket(IGD)))) {
            assertThat(client.isConnected()).isTrue();
        }
    }

    private static Mediation stuckInRead(CountDownLatch inside, CountDownLatch go) {
        return new Mediation() {
            @Override
            public Result read(RegionAccess access) {
                inside.countDown();
                try {
                    go.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                throw new VfioException(Errno.ENODEV, "too late");
            }
        };
    }

    private VfioUserClient connect(String address) {
        return VfioUserClient.connect(socket(address), ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(20)));
    }

    /** Exactly these devices have endpoints, and sockets in the folder. */
    private void awaitSockets(String... addresses) {
        eventually().untilAsserted(() -> {
            DeviceServer server = service(DeviceServer.class);
            assertThat(server.endpoints())
                    .extracting(endpoint -> endpoint.device().address().toString())
                    .containsExactlyInAnyOrder(addresses);
            assertThat(server.settled()).isTrue();
            assertThat(socketFiles())
                    .containsExactlyInAnyOrderElementsOf(List.of(addresses).stream()
                            .map(address -> address + ".sock")
                            .toList());
        });
    }

    private List<String> socketFiles() throws IOException {
        try (var files = Files.list(folder())) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    private Path socket(String address) {
        return folder().resolve(address + ".sock");
    }

    private Path folder() {
        return Path.of(context.getProperty(SOCKET_DIRECTORY));
    }
}
