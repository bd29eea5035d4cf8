package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.BundleException;
import vfio.pci.api.pci.PciAddress;

/**
 * What every connection stands on is updated by the framework's own means, which ask nobody. The client here knows sockets
 * only, so that it is not itself made of what is updated.
 */
public class CoreUpdateIT extends InFramework {
    private static final String VF = "0000:03:02.0";

    /** Header of a VERSION request that proposes 0.1 and no capabilities, and its four bytes of data. */
    private static final int VERSION_SIZE = 20;

    private static final int REPLY_MAXIMUM = 4096;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server());
    }

    @Before
    public void insertCard() {
        insertXl710("0000:03:00.0", 1);
    }

    @Test
    public void theCoreEndsConnectionsCleanly() throws Exception {
        endsConnectionsCleanly("vfio.pci.core");
    }

    @Test
    public void theServerEndsConnectionsCleanly() throws Exception {
        endsConnectionsCleanly("vfio.user");
    }

    @Test
    public void theNativeBundleEndsConnectionsCleanly() throws Exception {
        endsConnectionsCleanly("vfio.linux");
    }

    private void endsConnectionsCleanly(String name) throws IOException, BundleException {
        try (SocketChannel client = awaitConnected()) {
            assertThat(manager().opened(PciAddress.parse(VF))).isPresent();
            bundleNamed(name).update();

            assertThat(client.read(ByteBuffer.allocate(1)))
                    .as("end of the stream")
                    .isEqualTo(-1);
        }
        eventually().untilAsserted(() -> assertThat(connectionThreads()).isEmpty());
        awaitConnected().close();
    }

    /** A client, as soon as there is a server for it. */
    private SocketChannel awaitConnected() {
        return eventually().ignoreExceptions().until(this::connected, SocketChannel::isConnected);
    }

    /** A client that the server has taken. */
    private SocketChannel connected() throws IOException {
        SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX);
        boolean taken = false;
        try {
            client.connect(UnixDomainSocketAddress.of(Path.of(context.getProperty(SOCKET_DIRECTORY), VF + ".sock")));
            ByteBuffer request = ByteBuffer.allocate(VERSION_SIZE).order(ByteOrder.LITTLE_ENDIAN);
            request.putShort(0, (short) 1)
                    .putShort(2, (short) 1)
                    .putInt(4, VERSION_SIZE)
                    .putShort(18, (short) 1);
            client.write(request);
            ByteBuffer reply = ByteBuffer.allocate(REPLY_MAXIMUM).order(ByteOrder.LITTLE_ENDIAN);
            assertThat(client.read(reply)).isPositive();
            assertThat(reply.getInt(12)).as("error").isZero();
            taken = true;
            return client;
        } finally {
            if (!taken) {
                client.close();
            }
        }
    }

    private static List<String> connectionThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("vfio-user 0000"))
                .toList();
    }
}
