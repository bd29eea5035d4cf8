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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.BundleException;
import vfio.pci.api.device.Errno;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;

/**
 * What every connection stands on is updated by the framework's own means, which ask nobody. The client here knows sockets
 * only, so that it is not itself made of what is updated.
 */
public class CoreUpdateIT extends InFramework {
    private static final String VF = "0000:03:02.0";

    /** Header of a VERSION request that proposes 0.1 and no capabilities, and its four bytes of data. */
    private static final int VERSION_SIZE = 20;

    private static final int REPLY_MAXIMUM = 4096;

    private static final int HEADER_SIZE = 16;

    /** Header of a REGION_READ request, offset, region and count. */
    private static final int READ_SIZE = 32;

    private static final short REGION_READ = 9;
    private static final int ERROR_FLAG = 0x20;

    /** VFGEN_RSTAT: the function is ready, which is 2. */
    private static final long READY = 0x8800;

    private static final int PATIENCE_SECONDS = 20;

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

    @Test
    public void theCoreEndsConnectionsUnderLoadCleanly() throws Exception {
        endsConnectionsUnderLoadCleanly("vfio.pci.core");
    }

    @Test
    public void theServerEndsConnectionsUnderLoadCleanly() throws Exception {
        endsConnectionsUnderLoadCleanly("vfio.user");
    }

    @Test
    public void theNativeBundleEndsConnectionsUnderLoadCleanly() throws Exception {
        endsConnectionsUnderLoadCleanly("vfio.linux");
    }

    private void endsConnectionsUnderLoadCleanly(String name) throws Exception {
        try (SocketChannel client = awaitConnected()) {
            AtomicLong replies = new AtomicLong();
            CompletableFuture<Void> end = CompletableFuture.runAsync(() -> readUntilTheEnd(client, replies));
            eventually().until(() -> replies.get() > 1000 || end.isDone());
            assertThat(end).isNotDone();
            bundleNamed(name).update();

            end.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
        eventually().untilAsserted(() -> assertThat(connectionThreads()).isEmpty());
        awaitConnected().close();
    }

    /** Reads a register until the connection ends; fails if that is within a reply, or one is not what it must be. */
    private static void readUntilTheEnd(SocketChannel client, AtomicLong replies) {
        ByteBuffer request = ByteBuffer.allocate(READ_SIZE).order(ByteOrder.LITTLE_ENDIAN);
        request.putShort(2, REGION_READ)
                .putInt(4, READ_SIZE)
                .putLong(16, READY)
                .putInt(24, PciRegion.BAR0)
                .putInt(28, Integer.BYTES);
        ByteBuffer reply = ByteBuffer.allocate(READ_SIZE + Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (short id = 0; ask(client, request.putShort(0, id)) && receive(client, reply.clear()); id++) {
            assertThat(reply.getShort(0)).as("message id").isEqualTo(id);
            if ((reply.getInt(8) & ERROR_FLAG) == 0) {
                assertThat(reply.getInt(READ_SIZE)).as("the register").isEqualTo(2);
            } else {
                assertThat(Errno.of(reply.getInt(12)))
                        .as("what a device that is being closed answers")
                        .isEqualTo(Errno.ENODEV);
            }
            replies.incrementAndGet();
        }
    }

    /** Returns whether there still was somebody to ask. */
    private static boolean ask(SocketChannel client, ByteBuffer request) {
        try {
            client.write(request.clear());
            assertThat(request.hasRemaining()).isFalse();
            return true;
        } catch (IOException e) {
            assertThat(e).hasMessage("Broken pipe");
            return false;
        }
    }

    /** Takes one whole reply. Returns false if the connection has ended before its first byte. */
    private static boolean receive(SocketChannel client, ByteBuffer reply) {
        try {
            int size = HEADER_SIZE;
            while (reply.position() < size) {
                if (client.read(reply.limit(size)) < 0) {
                    assertThat(reply.position())
                            .as("bytes of an unfinished reply")
                            .isZero();
                    return false;
                }
                if (reply.position() == HEADER_SIZE) {
                    size = reply.getInt(4);
                }
            }
            return true;
        } catch (IOException e) {
            // The server had not read the request when it hung up.
            assertThat(e).hasMessage("Connection reset by peer");
            assertThat(reply.position()).as("bytes of an unfinished reply").isZero();
            return false;
        }
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
