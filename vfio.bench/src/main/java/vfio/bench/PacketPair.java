package vfio.bench;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import vfio.iavf.DriverOptions;
import vfio.iavf.FrameHandler;
import vfio.iavf.QueueSettings;
import vfio.iavf.ReceiveQueue;
import vfio.iavf.RegisterPath;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;
import vfio.iavf.VfRegister;
import vfio.iavf.VirtualFunctionDriver;
import vfio.pci.api.device.DmaRange;
import vfio.user.client.ClientOptions;
import vfio.user.client.VfioUserClient;

/** Two virtual functions with a driver that polls, on the caller's thread: one sends, the other receives. */
final class PacketPair implements AutoCloseable {
    /** Frames on their way, fewer than a ring has descriptors, so that none is dropped. */
    private static final int WINDOW = 384;

    /**
     * So many frames are taken before a read makes sure that the device has seen what was posted behind them: a posted write of
     * the receiver's tail may be overtaken by one of the sender's, over the other connection, and then frames are discarded.
     */
    private static final int UNSEEN_MAXIMUM = 64;

    private static final int BATCH = 32;
    private static final int MAC_LENGTH = 14;
    private static final int PAGE = 4096;
    private static final long MEMORY = 16 << 20;
    private static final int PLACE_SIZE = 2048;
    private static final long PATIENCE_NANOS = 10_000_000_000L;

    private final VfioUserClient[] clients = new VfioUserClient[2];
    private final VirtualFunctionDriver[] drivers = new VirtualFunctionDriver[2];
    private long receivedBytes;
    private final FrameHandler counter = frame -> receivedBytes += frame.length();

    private final RegisterPath registers;

    private final long iova;

    private PacketPair(RegisterPath registers, long iova) {
        this.registers = registers;
        this.iova = iova;
    }

    /** Brings both functions up. */
    static PacketPair open(Path sender, Path receiver, RegisterPath registers, long iova) {
        PacketPair pair = new PacketPair(registers, iova);
        boolean opened = false;
        try {
            pair.open(0, sender);
            pair.open(1, receiver);
            opened = true;
            return pair;
        } finally {
            if (!opened) {
                pair.abandon();
            }
        }
    }

    /**
     * Sends frames and receives them all.
     *
     * @param size bytes of a frame without FCS, 60 to 1514
     * @return nanoseconds
     */
    long transfer(int size, int frames) {
        VirtualFunctionDriver from = drivers[0];
        long mark = from.memory().mark();
        long place = from.memory().allocate(PLACE_SIZE, PLACE_SIZE);
        ByteBuffer header = ByteBuffer.allocate(MAC_LENGTH);
        drivers[1].mac().put(header, 0);
        from.mac().put(header, 6);
        header.putShort(12, (short) 0x88b5);
        from.memory().bytes().put(place, header);

        long address = from.memory().address(place);
        TransmitQueue transmit = from.transmitQueue(0);
        ReceiveQueue receive = drivers[1].receiveQueue(0);
        receivedBytes = 0;
        int sent = 0;
        int received = 0;
        int unseen = 0;
        long start = System.nanoTime();
        long last = start;
        while (received < frames) {
            transmit.reclaim();
            int room = Math.min(frames - sent, Math.min(transmit.free(), WINDOW - (sent - received)));
            if (room >= BATCH || room == frames - sent) {
                for (int frame = 0; frame < room; frame++) {
                    transmit.post(address, size, TransmitOffload.NONE);
                }
                transmit.kick();
                sent += room;
            }
            int now = receive.poll(counter, BATCH);
            received += now;
            unseen += now;
            if (registers == RegisterPath.POSTED && unseen >= UNSEEN_MAXIMUM) {
                drivers[1].registers().read(VfRegister.VFGEN_RSTAT);
                unseen = 0;
            }
            if (now == 0) {
                Thread.onSpinWait();
                if (System.nanoTime() - last > PATIENCE_NANOS) {
                    throw new IllegalStateException(received + " of " + sent + " frames arrived, and then no more");
                }
            } else {
                last = System.nanoTime();
            }
        }
        long nanos = System.nanoTime() - start;
        if (receivedBytes != (long) size * frames) {
            throw new IllegalStateException(
                    receivedBytes + " bytes arrived of " + frames + " frames with " + size + " bytes");
        }
        while (!transmit.isIdle()) {
            transmit.reclaim();
        }
        from.memory().release(mark);
        return nanos;
    }

    /** Has both functions logged, as if they were about to be moved. */
    void startLogging() {
        for (VfioUserClient client : clients) {
            client.migration().startLogging(PAGE, List.of(new DmaRange(iova, MEMORY)));
        }
    }

    /** Takes out what both have written since the last time, in pages. */
    int reportedPages() {
        int pages = 0;
        for (VfioUserClient client : clients) {
            pages += client.migration().report(iova, MEMORY, PAGE).cardinality();
        }
        return pages;
    }

    private void open(int index, Path socket) {
        clients[index] = VfioUserClient.connect(socket, ClientOptions.DEFAULT.withDynamicTrap(true));
        clients[index].reset();
        drivers[index] = VirtualFunctionDriver.attach(
                clients[index],
                DriverOptions.DEFAULT
                        .withRegisters(registers)
                        .withInterrupts(false)
                        .withCanaries(false)
                        .withMemory(iova, MEMORY));
        drivers[index].probe();
        drivers[index].open(QueueSettings.DEFAULT);
    }

    private void abandon() {
        for (VirtualFunctionDriver driver : drivers) {
            if (driver != null) {
                driver.abandon();
            }
        }
        disconnect();
    }

    private void disconnect() {
        for (VfioUserClient client : clients) {
            if (client != null) {
                client.close();
            }
        }
    }

    @Override
    public void close() {
        for (VirtualFunctionDriver driver : drivers) {
            driver.close();
        }
        disconnect();
    }
}
