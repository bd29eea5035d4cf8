package vfio.user.client;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Feature;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;
import vfio.user.internal.PageBitmap;

/**
 * Moves a device: what {@link vfio.pci.api.device.Migratable} is in the server, over a connection. The server says how much of the
 * state is left only by coming to its end.
 *
 * <p>A device that cannot be moved fails everything with ENOTTY, or with EINVAL if the server is made with libvfio-user.
 */
public final class MigrationClient {
    private final Exchange exchange;
    private final Negotiated negotiated;
    private final DmaClient dma;
    private final TrapConfirmations confirmations;
    private final Duration timeout;

    MigrationClient(
            Exchange exchange,
            Negotiated negotiated,
            DmaClient dma,
            TrapConfirmations confirmations,
            Duration timeout) {
        this.exchange = exchange;
        this.negotiated = negotiated;
        this.dma = dma;
        this.confirmations = confirmations;
        this.timeout = timeout;
    }

    /**
     * DEVICE_FEATURE with PROBE.
     *
     * @param flags a feature ({@code VFIO_DEVICE_FEATURE_*}), alone or with GET, SET or both
     * @return whether the device has the feature and all that the flags name can be done with it
     */
    public boolean probe(int flags) {
        Call call = exchange.begin();
        try {
            request(call, flags | Layout.DeviceFeature.PROBE, Layout.DeviceFeature.SIZE, Layout.DeviceFeature.SIZE);
            return true;
        } catch (VfioException e) {
            if (e.errno() == Errno.ENOTTY || e.errno() == Errno.EINVAL) {
                return false;
            }
            throw e;
        } finally {
            exchange.end(call);
        }
    }

    /** MIGRATION: or'ed together STOP_COPY 1, which always is there, P2P 2, and PRE_COPY 4. */
    public long flags() {
        Call call = exchange.begin();
        try {
            get(call, Feature.MIGRATION, Layout.DeviceFeature.SIZE, Layout.Migration.SIZE);
            return call.getLong(Layout.Migration.FLAGS);
        } finally {
            exchange.end(call);
        }
    }

    /** Whether the device has {@link MigrationState#PRE_COPY}. */
    public boolean offersPreCopy() {
        return (flags() & Layout.Migration.FLAGS_PRE_COPY) != 0;
    }

    /** Whether the device can log what it writes to client memory. */
    public boolean offersLogging() {
        return probe(Feature.DMA_LOGGING_START.number() | Layout.DeviceFeature.SET)
                && probe(Feature.DMA_LOGGING_REPORT.number() | Layout.DeviceFeature.GET);
    }

    /** MIG_DEVICE_STATE: the state now. */
    public MigrationState state() {
        Call call = exchange.begin();
        try {
            get(call, Feature.MIG_DEVICE_STATE, Layout.DeviceFeature.SIZE, Layout.MigState.SIZE);
            int number = call.getInt(Layout.MigState.DEVICE_STATE);
            return MigrationState.of(number).orElseThrow(() -> call.broken("there is no state " + number));
        } finally {
            exchange.end(call);
        }
    }

    /**
     * MIG_DEVICE_STATE: takes the device to a state, by way of others if need be.
     *
     * @throws VfioException EINVAL if no way leads there; EBUSY if somebody else moves the device; else what it fails with, and
     *     then {@link #state} tells how far it got
     */
    public void request(MigrationState target) {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.MigState.DEVICE_STATE, target.number()).putInt(Layout.MigState.DATA_FD, -1);
            set(call, Feature.MIG_DEVICE_STATE, Layout.MigState.SIZE);
        } finally {
            exchange.end(call);
        }
    }

    /**
     * MIG_DATA_READ, in as many messages as the agreed size needs.
     *
     * @param destination is filled as far as there is something; its position advances
     * @return bytes; less than there was room for at the end, which is preliminary while the device runs
     * @throws VfioException EINVAL unless the state is being read
     */
    public int read(ByteBuffer destination) {
        int start = destination.position();
        boolean more = true;
        while (more && destination.hasRemaining()) {
            int count = Math.min(destination.remaining(), negotiated.maxDataXferSize());
            more = readOnce(destination, count) == count;
        }
        return destination.position() - start;
    }

    /**
     * MIG_DATA_WRITE, in as many messages as the agreed size needs.
     *
     * @param source from position to limit; its position advances
     * @throws VfioException EINVAL unless a state is being written; EOVERFLOW if it becomes too long
     */
    public void write(ByteBuffer source) {
        while (source.hasRemaining()) {
            writeOnce(source, Math.min(source.remaining(), negotiated.maxDataXferSize()));
        }
    }

    /**
     * DMA_LOGGING_START. If registers have to be trapped first, and {@link MappedRegions} of this client is open, this waits until that
     * has let go of them, as long as for a reply.
     *
     * @param pageSize what the asker would like, a power of two
     * @param ranges what is to be watched; none: everything
     * @return the page size that is used
     * @throws VfioException ENOTTY, EINVAL or EOPNOTSUPP if the device cannot; EAGAIN if registers have to be trapped first, and
     *     nobody lets go of them; EINVAL if it is logged already or the ranges make no sense
     */
    public long startLogging(long pageSize, List<DmaRange> ranges) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            long seen = confirmations.count();
            try {
                return startLoggingOnce(pageSize, ranges);
            } catch (VfioException e) {
                if (e.errno() != Errno.EAGAIN || !confirmations.awaitAfter(seen, deadline - System.nanoTime())) {
                    throw e;
                }
            }
        }
    }

    /** DMA_LOGGING_STOP. */
    public void stopLogging() {
        Call call = exchange.begin();
        try {
            set(call, Feature.DMA_LOGGING_STOP, Layout.DeviceFeature.SIZE);
        } finally {
            exchange.end(call);
        }
    }

    /**
     * DMA_LOGGING_REPORT, in as many messages as the agreed size needs: takes out what has been logged of a range since the last
     * time.
     *
     * @param iova start of a page
     * @param pageSize the one {@link #startLogging} returned
     * @return bit i is that of page i of the range
     * @throws VfioException EINVAL if nothing is logged or the arguments make no sense; the whole range is to be taken as written
     *     then
     */
    public BitSet report(long iova, long length, long pageSize) {
        long size = PageBitmap.size(iova, length, pageSize);
        long step = negotiated.maxBitmapSize() / Long.BYTES * (long) Long.SIZE;
        if (step == 0 || size > Integer.MAX_VALUE / Byte.SIZE) {
            throw new VfioException(
                    Errno.EINVAL,
                    "a bitmap of " + size + " bytes cannot be had; ask for a smaller range or larger messages");
        }
        BitSet dirty = new BitSet();
        long pages = ((length - 1) >>> Long.numberOfTrailingZeros(pageSize)) + 1;
        for (long first = 0; first < pages; first += step) {
            int base = (int) first;
            long from = first * pageSize;
            long part = pages - first > step ? step * pageSize : length - from;
            reportOnce(iova + from, part, pageSize).stream().forEach(page -> dirty.set(base + page));
        }
        return dirty;
    }

    /**
     * DMA_UNMAP with GET_DIRTY_BITMAP: of exactly what was mapped.
     *
     * @param pageSize the one {@link #startLogging} returned
     * @return what has been logged of the range up to the last write: bit i is that of page i
     * @throws VfioException ENOENT if it was not mapped; as {@link #report}. The whole range is to be taken as written then
     */
    public BitSet unmap(long iova, long size, long pageSize) {
        return dma.unmap(iova, size, pageSize);
    }

    private int readOnce(ByteBuffer destination, int count) {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.MigData.ARGSZ, Layout.MigData.SIZE + count).putInt(Layout.MigData.LENGTH, count);
            exchange.request(call, Command.MIG_DATA_READ, Layout.MigData.SIZE, Layout.MigData.SIZE);
            int read = call.getInt(Layout.MigData.LENGTH);
            if (read < 0 || read > count || read > call.size() - Layout.MigData.SIZE) {
                throw call.broken(Integer.toUnsignedString(read) + " of " + count + " bytes of the state");
            }
            destination.put(call.bytes().slice(Header.SIZE + Layout.MigData.DATA, read));
            return read;
        } finally {
            exchange.end(call);
        }
    }

    private void writeOnce(ByteBuffer source, int count) {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.MigData.ARGSZ, Layout.MigData.SIZE + count).putInt(Layout.MigData.LENGTH, count);
            call.bytes().put(Header.SIZE + Layout.MigData.DATA, source, source.position(), count);
            exchange.request(call, Command.MIG_DATA_WRITE, Layout.MigData.SIZE + count, 0);
            source.position(source.position() + count);
        } finally {
            exchange.end(call);
        }
    }

    private long startLoggingOnce(long pageSize, List<DmaRange> ranges) {
        long size = Layout.DmaLoggingControl.SIZE + (long) ranges.size() * Layout.DmaLoggingControl.RANGE_SIZE;
        exchange.requireFits(size);
        Call call = exchange.begin();
        try {
            call.putLong(Layout.DmaLoggingControl.PAGE_SIZE, pageSize)
                    .putInt(Layout.DmaLoggingControl.NUM_RANGES, ranges.size())
                    .putInt(Layout.DmaLoggingControl.RESERVED, 0);
            int at = Layout.DmaLoggingControl.RANGES;
            for (DmaRange range : ranges) {
                call.putLong(at + Layout.DmaLoggingControl.RANGE_IOVA, range.iova())
                        .putLong(at + Layout.DmaLoggingControl.RANGE_LENGTH, range.length());
                at += Layout.DmaLoggingControl.RANGE_SIZE;
            }
            set(call, Feature.DMA_LOGGING_START, (int) size);
            return call.getLong(Layout.DmaLoggingControl.PAGE_SIZE);
        } finally {
            exchange.end(call);
        }
    }

    private BitSet reportOnce(long iova, long length, long pageSize) {
        int size = (int) PageBitmap.size(iova, length, pageSize);
        Call call = exchange.begin();
        try {
            call.putLong(Layout.DmaLoggingReport.IOVA, iova)
                    .putLong(Layout.DmaLoggingReport.LENGTH, length)
                    .putLong(Layout.DmaLoggingReport.PAGE_SIZE, pageSize);
            get(call, Feature.DMA_LOGGING_REPORT, Layout.DmaLoggingReport.SIZE, Layout.DmaLoggingReport.BITMAP + size);
            return call.bits(Layout.DmaLoggingReport.BITMAP, size);
        } finally {
            exchange.end(call);
        }
    }

    /** Of a reply this long, all is expected. */
    private void get(Call call, Feature feature, int size, int reply) {
        call.putInt(Layout.DeviceFeature.ARGSZ, reply)
                .putInt(Layout.DeviceFeature.FLAGS, feature.number() | Layout.DeviceFeature.GET);
        exchange.request(call, Command.DEVICE_FEATURE, size, reply);
    }

    /** The reply is as long as the request. */
    private void set(Call call, Feature feature, int size) {
        request(call, feature.number() | Layout.DeviceFeature.SET, size, size);
    }

    private void request(Call call, int flags, int size, int reply) {
        call.putInt(Layout.DeviceFeature.ARGSZ, reply).putInt(Layout.DeviceFeature.FLAGS, flags);
        exchange.request(call, Command.DEVICE_FEATURE, size, reply);
    }
}
