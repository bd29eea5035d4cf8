package vfio.user.client;

import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.user.internal.Command;
import vfio.user.internal.Layout;

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
            call.putInt(Layout.DmaUnmap.ARGSZ, Layout.DmaUnmap.SIZE)
                    .putInt(Layout.DmaUnmap.FLAGS, 0)
                    .putLong(Layout.DmaUnmap.ADDRESS, iova)
                    .putLong(Layout.DmaUnmap.LENGTH, size);
            exchange.request(call, Command.DMA_UNMAP, Layout.DmaUnmap.SIZE, Layout.DmaUnmap.SIZE);
        } finally {
            exchange.end(call);
        }
        arrays.remove(iova);
    }
}
