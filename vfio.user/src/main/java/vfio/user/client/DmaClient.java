package vfio.user.client;

import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.user.internal.Command;
import vfio.user.internal.Layout;
import vfio.user.internal.PageBitmap;

/** Tells the server which memory the device may use. */
final class DmaClient {
    private final Exchange exchange;
    private final DmaRegions arrays;

    DmaClient(Exchange exchange, DmaRegions arrays) {
        this.exchange = exchange;
        this.arrays = arrays;
    }

    void map(long iova, byte[] memory, boolean readable, boolean writable) {
        // Known before the server is told, since it may ask at once.
        boolean added = arrays.add(iova, memory);
        boolean mapped = false;
        try {
            map(iova, memory.length, null, readable, writable);
            mapped = true;
        } finally {
            if (added && !mapped) {
                arrays.remove(iova);
            }
        }
    }

    void map(long iova, long size, @Nullable MappedMemory memory, boolean readable, boolean writable) {
        Call call = exchange.begin();
        try {
            call.putInt(Layout.DmaMap.ARGSZ, Layout.DmaMap.SIZE)
                    .putInt(
                            Layout.DmaMap.FLAGS,
                            (readable ? Layout.DmaMap.FLAGS_READABLE : 0)
                                    | (writable ? Layout.DmaMap.FLAGS_WRITEABLE : 0))
                    .putLong(Layout.DmaMap.OFFSET, memory == null ? 0 : memory.fileOffset())
                    .putLong(Layout.DmaMap.ADDRESS, iova)
                    .putLong(Layout.DmaMap.LENGTH, size);
            exchange.request(
                    call,
                    Command.DMA_MAP.number(),
                    Layout.DmaMap.SIZE,
                    memory == null ? List.of() : List.of(memory.descriptor()));
            call.requireReply(0);
        } finally {
            exchange.end(call);
        }
    }

    void unmap(long iova, long size) {
        Call call = exchange.begin();
        try {
            unmap(call, 0, iova, size, Layout.DmaUnmap.SIZE, Layout.DmaUnmap.SIZE);
        } finally {
            exchange.end(call);
        }
        arrays.remove(iova);
    }

    void unmapAll() {
        Call call = exchange.begin();
        try {
            unmap(call, Layout.DmaUnmap.FLAGS_ALL, 0, 0, Layout.DmaUnmap.SIZE, Layout.DmaUnmap.SIZE);
        } finally {
            exchange.end(call);
        }
        arrays.clear();
    }

    BitSet unmap(long iova, long size, long pageSize) {
        long bitmap = PageBitmap.size(iova, size, pageSize);
        exchange.requireFits(Layout.DmaUnmap.BITMAP_DATA + bitmap);
        int reply = Layout.DmaUnmap.BITMAP_DATA + (int) bitmap;
        BitSet dirty;
        Call call = exchange.begin();
        try {
            call.putLong(Layout.DmaUnmap.BITMAP_PGSIZE, pageSize).putLong(Layout.DmaUnmap.BITMAP_SIZE, bitmap);
            unmap(call, Layout.DmaUnmap.FLAGS_GET_DIRTY_BITMAP, iova, size, Layout.DmaUnmap.BITMAP_DATA, reply);
            dirty = call.bits(Layout.DmaUnmap.BITMAP_DATA, (int) bitmap);
        } finally {
            exchange.end(call);
        }
        arrays.remove(iova);
        return dirty;
    }

    private void unmap(Call call, int flags, long iova, long length, int size, int reply) {
        call.putInt(Layout.DmaUnmap.ARGSZ, reply)
                .putInt(Layout.DmaUnmap.FLAGS, flags)
                .putLong(Layout.DmaUnmap.ADDRESS, iova)
                .putLong(Layout.DmaUnmap.LENGTH, length);
        exchange.request(call, Command.DMA_UNMAP, size, reply);
    }
}
