package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import org.awaitility.Awaitility;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;

/** Drives an educational device ({@code docs/specs/edu.rst} of QEMU) the way a guest's driver would. */
final class EduClient implements AutoCloseable {
    static final int INTERRUPT_STATUS = 0x24;
    static final int INTERRUPT_RAISE = 0x60;
    static final int INTERRUPT_ACKNOWLEDGE = 0x64;
    static final int BUFFER_SIZE = 4096;

    private static final int STATUS = 0x20;
    private static final int STATUS_DMA_FAILED = 0x100;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;
    private static final int DMA_RUN = 0x1;
    private static final int DMA_TO_MEMORY = 0x2;
    private static final long BUFFER = 0x40000;

    private static final Duration TRANSFER = Duration.ofSeconds(20);

    private final VfioUserClient client;

    private EduClient(VfioUserClient client) {
        this.client = client;
    }

    /** Connects, resets the device and lets it be bus master. */
    static EduClient connect(Path socket, ClientOptions options) {
        EduClient edu = new EduClient(VfioUserClient.connect(socket, options));
        edu.client.reset();
        edu.client.writeShort(PciRegion.CONFIG, PciConfig.COMMAND, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER);
        return edu;
    }

    static EduClient connect(Path socket) {
        return connect(socket, ClientOptions.DEFAULT);
    }

    VfioUserClient client() {
        return client;
    }

    int read(int register) {
        return client.readInt(PciRegion.BAR0, register);
    }

    void write(int register, int value) {
        client.writeInt(PciRegion.BAR0, register, value);
    }

    /** The device reads client memory; returns what then is in its buffer. */
    byte[] fetch(long iova, int count) {
        startFetch(iova, count);
        assertThat(succeeds()).as("the device read 0x%x", iova).isTrue();
        return client.read(PciRegion.BAR0, BUFFER, count);
    }

    /** The device writes to client memory. */
    void store(long iova, byte[] data) {
        startStore(iova, data);
        assertThat(succeeds()).as("the device wrote 0x%x", iova).isTrue();
    }

    void startFetch(long iova, int count) {
        start(iova, BUFFER, count, DMA_RUN);
    }

    void startStore(long iova, byte[] data) {
        client.write(PciRegion.BAR0, BUFFER, ByteBuffer.wrap(data));
        start(BUFFER, iova, data.length, DMA_RUN | DMA_TO_MEMORY);
    }

    /** Waits for the end of a transfer; returns whether the device reports that it worked. */
    boolean succeeds() {
        Awaitility.await("end of the transfer")
                .pollDelay(Duration.ZERO)
                .pollInterval(Duration.ofMillis(1))
                .atMost(TRANSFER)
                .until(() -> (client.readLong(PciRegion.BAR0, DMA_COMMAND) & DMA_RUN) == 0);
        return (read(STATUS) & STATUS_DMA_FAILED) == 0;
    }

    @Override
    public void close() {
        client.close();
    }

    private void start(long source, long destination, int count, int command) {
        client.writeLong(PciRegion.BAR0, DMA_SOURCE, source);
        client.writeLong(PciRegion.BAR0, DMA_DESTINATION, destination);
        client.writeLong(PciRegion.BAR0, DMA_COUNT, count);
        client.writeLong(PciRegion.BAR0, DMA_COMMAND, command);
    }
}
