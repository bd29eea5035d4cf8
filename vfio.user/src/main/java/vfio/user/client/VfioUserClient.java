package vfio.user.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Layout;
import vfio.user.internal.MessageChannel;

/**
 * A connection to a vfio-user server.
 *
 * <p>Safe for any number of threads up to 256 at a time. It has one thread of its own, which serves the server's requests
 * for memory. A request that times out leaves the connection usable; its reply is dropped when it comes late. Close wakes
 * all threads inside.
 */
public final class VfioUserClient implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(VfioUserClient.class.getPackageName());
    private static final Duration GOODBYE = Duration.ofSeconds(2);

    /** Room for capabilities of regions. */
    private static final int DATA_MINIMUM = 1 << 16;

    private final Negotiated negotiated;
    private final Exchange exchange;
    private final @Nullable MessageChannel twin;
    private final DmaServer dmaServer;
    private final DeviceClient device;
    private final RegionClient regions;
    private final InterruptClient interrupts;
    private final DmaClient dma;
    private final CommandClient commands;
    private final MigrationClient migration;
    private final TrapConfirmations confirmations = new TrapConfirmations();
    private final Thread thread;
    private boolean closed;

    private VfioUserClient(MessageChannel channel, Handshake handshake, ClientOptions options) {
        negotiated = handshake.negotiated();
        exchange = new Exchange(channel, options.timeout());
        UnixSocket twinSocket = handshake.twin();
        twin = twinSocket == null ? null : new MessageChannel(twinSocket, channel.dataMaximum(), 0);
        DmaRegions arrays = new DmaRegions(options.dmaHandler());
        dmaServer = new DmaServer(twin == null ? channel : twin, arrays, options.maxDataXferSize());
        device = new DeviceClient(exchange);
        regions = new RegionClient(exchange, negotiated);
        interrupts = new InterruptClient(exchange, negotiated);
        dma = new DmaClient(exchange, arrays);
        commands = new CommandClient(exchange);
        migration = new MigrationClient(exchange, negotiated, dma, confirmations, options.timeout());
        thread = new Thread(this::serve, "vfio-user client");
        thread.setDaemon(true);
    }

    /** Connects with {@link ClientOptions#DEFAULT}. */
    public static VfioUserClient connect(Path socket) {
        return connect(socket, ClientOptions.DEFAULT);
    }

    /**
     * Connects and negotiates.
     *
     * @param socket path of the server's socket
     * @return the connection, owned by the caller
     * @throws VfioException ENOENT, ECONNREFUSED, EACCES if nobody can be reached there; ENOTCONN if the server hangs up,
     *     which it does if the device has a client; what the server refuses the version with; EPROTO, ETIMEDOUT
     */
    public static VfioUserClient connect(Path socket, ClientOptions options) {
        MessageChannel channel = new MessageChannel(
                UnixSocket.connect(socket),
                Math.max(options.maxDataXferSize(), DATA_MINIMUM) + Layout.FIXED_PART_MAXIMUM,
                options.maxMsgFds());
        boolean connected = false;
        try {
            channel.socket().receiveTimeout(options.timeout());
            VfioUserClient client = new VfioUserClient(channel, Handshake.over(channel, options), options);
            client.thread.start();
            connected = true;
            return client;
        } catch (VfioException e) {
            throw Exchange.hungUp(e);
        } finally {
            if (!connected) {
                channel.close();
            }
        }
    }

    /** What was agreed with the server. */
    public Negotiated negotiated() {
        return negotiated;
    }

    /** DEVICE_GET_INFO. */
    public DeviceInfo info() {
        return device.info();
    }

    /** DEVICE_GET_REGION_INFO, asked a second time with more room if there are capabilities. */
    public RegionInfo regionInfo(int region) {
        return device.regionInfo(region);
    }

    /**
     * Maps a whole region.
     *
     * @return the memory, owned by the caller; writable if the region is
     * @throws VfioException EINVAL if the region cannot be mapped as a whole
     */
    public MappedMemory map(int region) {
        return device.map(region, null);
    }

    /**
     * Maps a part of a region; byte 0 of the memory is byte {@code area.offset()} of the region.
     *
     * @return the memory, owned by the caller; writable if the region is
     * @throws VfioException EINVAL if the part does not lie in one of {@link RegionInfo#mappableAreas()}
     */
    public MappedMemory map(int region, SparseArea area) {
        return device.map(region, area);
    }

    /** DEVICE_GET_REGION_IO_FDS: the number of sub-regions with a descriptor of their own. */
    public int regionIoFds(int region) {
        return device.regionIoFds(region);
    }

    /** REGION_READ of the destination's remaining bytes, in as many messages as the agreed size needs. */
    public void read(int region, long offset, ByteBuffer destination) {
        regions.read(region, offset, destination);
    }

    /** REGION_READ of {@code length} bytes. */
    public byte[] read(int region, long offset, int length) {
        byte[] data = new byte[length];
        regions.read(region, offset, ByteBuffer.wrap(data));
        return data;
    }

    /** REGION_WRITE of the source's remaining bytes, in as many messages as the agreed size needs. */
    public void write(int region, long offset, ByteBuffer source) {
        regions.write(region, offset, source, false);
    }

    /** Like {@link #write(int, long, ByteBuffer)} without waiting for an answer, so a refusal goes unnoticed. */
    public void writePosted(int region, long offset, ByteBuffer source) {
        regions.write(region, offset, source, true);
    }

    /**
     * Reads a register by one message. Allocates nothing in steady state.
     *
     * @param width bytes: 1, 2, 4 or 8
     * @return the value, zero-extended
     */
    public long readRegister(int region, long offset, int width) {
        return regions.readRegister(region, offset, width);
    }

    /**
     * Writes a register by one message. Allocates nothing in steady state.
     *
     * @param width bytes: 1, 2, 4 or 8
     * @param value the data in its low bytes
     */
    public void writeRegister(int region, long offset, int width, long value) {
        regions.writeRegister(region, offset, width, value, false);
    }

    /** Like {@link #writeRegister} without waiting for an answer, so a refusal goes unnoticed. */
    public void writeRegisterPosted(int region, long offset, int width, long value) {
        regions.writeRegister(region, offset, width, value, true);
    }

    /** Reads one byte, zero-extended. */
    public int readByte(int region, long offset) {
        return (int) readRegister(region, offset, Byte.BYTES);
    }

    /** Reads two bytes, zero-extended. */
    public int readShort(int region, long offset) {
        return (int) readRegister(region, offset, Short.BYTES);
    }

    /** Reads four bytes. */
    public int readInt(int region, long offset) {
        return (int) readRegister(region, offset, Integer.BYTES);
    }

    /** Reads eight bytes. */
    public long readLong(int region, long offset) {
        return readRegister(region, offset, Long.BYTES);
    }

    /** Writes one byte. */
    public void writeByte(int region, long offset, int value) {
        writeRegister(region, offset, Byte.BYTES, value);
    }

    /** Writes two bytes. */
    public void writeShort(int region, long offset, int value) {
        writeRegister(region, offset, Short.BYTES, value);
    }

    /** Writes four bytes. */
    public void writeInt(int region, long offset, int value) {
        writeRegister(region, offset, Integer.BYTES, value);
    }

    /** Writes eight bytes. */
    public void writeLong(int region, long offset, long value) {
        writeRegister(region, offset, Long.BYTES, value);
    }

    /**
     * REGION_WRITE_MULTI.
     *
     * @return how many of the writes, from the first on, the device has done
     */
    public long writeMulti(List<RegionWrite> writes) {
        return regions.writeMulti(writes, false);
    }

    /** Like {@link #writeMulti} without waiting for an answer, so a refusal goes unnoticed. */
    public void writeMultiPosted(List<RegionWrite> writes) {
        regions.writeMulti(writes, true);
    }

    /** DEVICE_GET_IRQ_INFO. */
    public InterruptInfo irqInfo(int index) {
        return device.interruptInfo(index);
    }

    /**
     * Connects a vector to a new eventfd.
     *
     * @return what the device signals, owned by the caller
     */
    public EventFd enableIrq(int index, int vector) {
        return interrupts.enable(index, vector);
    }

    /**
     * Connects consecutive vectors to eventfds, in as many messages as the server's limit for descriptors needs. If one of
     * these is refused, those before it have taken effect.
     *
     * @param action TRIGGER: signalled when the interrupt fires; MASK, UNMASK: when it becomes masked, unmasked
     * @param events stay the caller's; null disconnects the vector
     */
    public void setIrqs(int index, InterruptAction action, int start, List<@Nullable EventFd> events) {
        interrupts.connect(index, action, start, events);
    }

    /** Masks, unmasks or fires consecutive vectors. A count of 0 with TRIGGER and start 0 disables the index. */
    public void setIrqs(int index, InterruptAction action, int start, int count) {
        interrupts.act(index, action, start, count);
    }

    /** Masks, unmasks or fires those of consecutive vectors that are selected. */
    public void setIrqs(int index, InterruptAction action, int start, boolean[] selected) {
        interrupts.act(index, action, start, selected);
    }

    /** Disconnects all vectors of an index. */
    public void disableIrqs(int index) {
        interrupts.act(index, InterruptAction.TRIGGER, 0, 0);
    }

    /**
     * DMA_MAP of memory that the server maps.
     *
     * @param iova where the device finds byte 0
     * @param memory stays the caller's
     */
    public void dmaMap(long iova, MappedMemory memory, boolean readable, boolean writable) {
        dma.map(iova, memory.size(), memory, readable, writable);
    }

    /**
     * DMA_MAP of memory that the server reaches by messages.
     *
     * @param iova where the device finds byte 0
     * @param memory changed by this client's thread when the device writes
     */
    public void dmaMap(long iova, byte[] memory, boolean readable, boolean writable) {
        dma.map(iova, memory, readable, writable);
    }

    /** DMA_MAP of memory for which the {@link DmaHandler} of the options answers. */
    public void dmaMap(long iova, long size, boolean readable, boolean writable) {
        dma.map(iova, size, null, readable, writable);
    }

    /** DMA_UNMAP of exactly what was mapped. */
    public void dmaUnmap(long iova, long size) {
        dma.unmap(iova, size);
    }

    /** DMA_UNMAP of everything, as QEMU does it. Not in the newest specification, so a server may refuse it. */
    public void dmaUnmapAll() {
        dma.unmapAll();
    }

    /** What moves the device. */
    public MigrationClient migration() {
        return migration;
    }

    /** DEVICE_RESET. */
    public void reset() {
        commands.reset();
    }

    /**
     * DEVICE_FEATURE.
     *
     * @param flags feature index and what to do with it ({@code VFIO_DEVICE_FEATURE_*})
     * @param data of the feature, may be empty
     * @param replyMaximum most bytes of feature data in the reply
     * @return the feature data of the reply
     * @throws VfioException ENOTTY or EINVAL if the device does not have the feature
     */
    public byte[] feature(int flags, byte[] data, int replyMaximum) {
        return commands.feature(flags, data, replyMaximum);
    }

    /**
     * Sends any command, right or wrong, and returns whatever the server replies. For tests.
     *
     * @param command number of the command
     * @param data what follows the header
     * @param attached descriptors to send along, which stay the caller's
     * @return the reply, owned by the caller; an error of the server is in it and not thrown
     */
    public Reply request(int command, byte[] data, List<Descriptor> attached) {
        return commands.request(command, data, attached);
    }

    /** Like {@link #request} with NO_REPLY. */
    public void post(int command, byte[] data, List<Descriptor> attached) {
        commands.post(command, data, attached);
    }

    /**
     * Ends the connection and releases what the client holds; what callers own stays theirs. Idempotent. Not to be called by
     * a {@link DmaHandler}.
     */
    @Override
    public void close() {
        if (Thread.currentThread() == thread) {
            throw new VfioException(Errno.EDEADLK, "a DMA handler cannot close the client that calls it");
        }
        synchronized (thread) {
            if (closed) {
                return;
            }
            closed = true;
        }
        exchange.shutdown();
        if (twin != null) {
            twin.socket().shutdown();
        }
        try {
            thread.join(GOODBYE.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        device.close();
        if (thread.isAlive()) {
            // It is in a handler and may still use the buffers, so they stay.
            LOGGER.log(Level.ERROR, "a DMA handler did not return in time; its client leaves its memory behind");
            return;
        }
        dmaServer.close();
        exchange.close();
        if (twin != null) {
            twin.close();
        }
    }

    /** For whoever follows the trap layout. */
    TrapConfirmations confirmations() {
        return confirmations;
    }

    private void serve() {
        if (twin == null) {
            exchange.serveCommands(dmaServer);
        } else {
            dmaServer.run();
        }
    }
}
