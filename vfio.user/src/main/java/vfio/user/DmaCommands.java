package vfio.user;

import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.user.internal.Layout;

/** Commands that change the DMA map. Each returns the size of the reply's data. */
final class DmaCommands {
    private static final int FLAGS = Layout.DmaMap.FLAGS_READABLE | Layout.DmaMap.FLAGS_WRITEABLE;

    private DmaCommands() {}

    static int map(Session session) {
        session.requireSize(Layout.DmaMap.SIZE);
        session.requireArgsz(Layout.DmaMap.ARGSZ, Layout.DmaMap.SIZE);
        int flags = session.getInt(Layout.DmaMap.FLAGS);
        if (flags == 0 || (flags & ~FLAGS) != 0) {
            throw Session.invalid("DMA map flags 0x" + Integer.toHexString(flags) + " are not known");
        }
        long address = session.getLong(Layout.DmaMap.ADDRESS);
        long length = session.getLong(Layout.DmaMap.LENGTH);
        long page = Long.lowestOneBit(session.agreed().pgsizes());
        if (length == 0 || ((address | length) & (page - 1)) != 0) {
            throw Session.invalid("a DMA range must be made of whole pages of " + page + " bytes");
        }
        int descriptors = session.channel().descriptors().count();
        if (descriptors > 1) {
            throw Session.invalid("a DMA map carries at most one descriptor, not " + descriptors);
        }
        boolean writable = (flags & Layout.DmaMap.FLAGS_WRITEABLE) != 0;
        MappedMemory memory = descriptors == 0
                ? null
                : memory(
                        session.channel().descriptors().take(0),
                        session.getLong(Layout.DmaMap.OFFSET),
                        length,
                        writable);
        map(
                session,
                new DmaMapping(address, length, (flags & Layout.DmaMap.FLAGS_READABLE) != 0, writable, memory),
                memory);
        return 0;
    }

    static int unmap(Session session) {
        session.requireSize(Layout.DmaUnmap.SIZE);
        session.requireArgsz(Layout.DmaUnmap.ARGSZ, Layout.DmaUnmap.SIZE);
        if (session.getInt(Layout.DmaUnmap.FLAGS) != 0) {
            throw Session.invalid("DMA unmap flags must be 0");
        }
        long address = session.getLong(Layout.DmaUnmap.ADDRESS);
        long length = session.getLong(Layout.DmaUnmap.LENGTH);
        session.device().unmap(address, length);
        session.putInt(Layout.DmaUnmap.ARGSZ, Layout.DmaUnmap.SIZE)
                .putInt(Layout.DmaUnmap.FLAGS, 0)
                .putLong(Layout.DmaUnmap.ADDRESS, address)
                .putLong(Layout.DmaUnmap.LENGTH, length);
        return Layout.DmaUnmap.SIZE;
    }

    private static MappedMemory memory(Descriptor file, long offset, long length, boolean writable) {
        boolean taken = false;
        try {
            MappedMemory memory = MappedMemory.map(file, offset, length, writable);
            taken = true;
            return memory;
        } finally {
            if (!taken) {
                file.close();
            }
        }
    }

    private static void map(Session session, DmaMapping mapping, @Nullable MappedMemory memory) {
        boolean taken = false;
        try {
            session.device().map(mapping);
            taken = true;
        } finally {
            if (!taken && memory != null) {
                memory.close();
            }
        }
    }
}
