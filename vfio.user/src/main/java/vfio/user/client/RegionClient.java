package vfio.user.client;

import java.nio.ByteBuffer;
import java.util.List;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;

/** Reads and writes regions by messages. */
final class RegionClient {
    private static final int DATA = Header.SIZE + Layout.RegionIo.DATA;

    private final Exchange exchange;
    private final Negotiated negotiated;

    RegionClient(Exchange exchange, Negotiated negotiated) {
        this.exchange = exchange;
        this.negotiated = negotiated;
    }

    long readRegister(int region, long offset, int width) {
        requireWidth(width);
        Call call = exchange.begin();
        try {
            prepare(call, region, offset, width);
            exchange.request(call, Command.REGION_READ, Layout.RegionIo.SIZE, Layout.RegionIo.SIZE + width);
            ByteBuffer bytes = call.bytes();
            return switch (width) {
                case 1 -> bytes.get(DATA) & 0xffL;
                case 2 -> bytes.getShort(DATA) & 0xffffL;
                case 4 -> bytes.getInt(DATA) & 0xffff_ffffL;
                default -> bytes.getLong(DATA);
            };
        } finally {
            exchange.end(call);
        }
    }

    void writeRegister(int region, long offset, int width, long value, boolean posted) {
        requireWidth(width);
        Call call = exchange.begin();
        try {
            // The width takes as many low bytes as it names; the rest is not sent.
            prepare(call, region, offset, width).putLong(Layout.RegionIo.DATA, value);
            sendWrite(call, width, posted);
        } finally {
            exchange.end(call);
        }
    }

    void read(int region, long offset, ByteBuffer destination) {
        Call call = exchange.begin();
        try {
            long at = offset;
            while (destination.hasRemaining()) {
                int count = Math.min(destination.remaining(), negotiated.maxDataXferSize());
                prepare(call, region, at, count);
                exchange.request(call, Command.REGION_READ, Layout.RegionIo.SIZE, Layout.RegionIo.SIZE + count);
                destination.put(destination.position(), call.bytes(), DATA, count);
                destination.position(destination.position() + count);
                at += count;
            }
        } finally {
            exchange.end(call);
        }
    }

    void write(int region, long offset, ByteBuffer source, boolean posted) {
        Call call = exchange.begin();
        try {
            long at = offset;
            while (source.hasRemaining()) {
                int count = Math.min(source.remaining(), negotiated.maxDataXferSize());
                prepare(call, region, at, count);
                call.bytes().put(DATA, source, source.position(), count);
                sendWrite(call, count, posted);
                source.position(source.position() + count);
                at += count;
            }
        } finally {
            exchange.end(call);
        }
    }

    long writeMulti(List<RegionWrite> writes, boolean posted) {
        int size = Layout.WriteMulti.WRS + writes.size() * Layout.WriteMulti.WR_SIZE;
        if (size > exchange.channel().dataMaximum()) {
            throw new VfioException(Errno.EINVAL, writes.size() + " writes do not fit into one message");
        }
        Call call = exchange.begin();
        try {
            call.putLong(Layout.WriteMulti.WR_CNT, writes.size());
            int at = Layout.WriteMulti.WRS;
            for (RegionWrite write : writes) {
                call.putLong(at + Layout.WriteMulti.WR_OFFSET, write.offset())
                        .putInt(at + Layout.WriteMulti.WR_REGION, write.region())
                        .putInt(at + Layout.WriteMulti.WR_COUNT, write.length())
                        .putLong(at + Layout.WriteMulti.WR_DATA, write.value());
                at += Layout.WriteMulti.WR_SIZE;
            }
            if (posted) {
                exchange.post(call, Command.REGION_WRITE_MULTI.number(), size, List.of());
                return writes.size();
            }
            exchange.request(call, Command.REGION_WRITE_MULTI, size, Layout.WriteMulti.WRS);
            return call.getLong(Layout.WriteMulti.WR_CNT);
        } finally {
            exchange.end(call);
        }
    }

    private void sendWrite(Call call, int count, boolean posted) {
        int size = Layout.RegionIo.SIZE + count;
        if (posted) {
            exchange.post(call, Command.REGION_WRITE.number(), size, List.of());
        } else {
            exchange.request(call, Command.REGION_WRITE, size, Layout.RegionIo.SIZE);
        }
    }

    private static Call prepare(Call call, int region, long offset, int count) {
        return call.putLong(Layout.RegionIo.OFFSET, offset)
                .putInt(Layout.RegionIo.REGION, region)
                .putInt(Layout.RegionIo.COUNT, count);
    }

    private static void requireWidth(int width) {
        if (width < 1 || width > Long.BYTES || Integer.bitCount(width) != 1) {
            throw new VfioException(Errno.EINVAL, "a register of " + width + " bytes; use 1, 2, 4 or 8");
        }
    }
}
