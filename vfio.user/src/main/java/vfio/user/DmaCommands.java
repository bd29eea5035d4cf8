package vfio.user;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Migratable;
import vfio.user.internal.Layout;
import vfio.user.internal.PageBitmap;

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
        session.requireSizeAtLeast(Layout.DmaUnmap.SIZE);
        session.requireArgsz(Layout.DmaUnmap.ARGSZ, Layout.DmaUnmap.SIZE);
        int flags = session.getInt(Layout.DmaUnmap.FLAGS);
        int size =
                switch (flags) {
                    case 0 -> unmapOne(session);
                    case Layout.DmaUnmap.FLAGS_GET_DIRTY_BITMAP -> unmapWithBitmap(session);
                    case Layout.DmaUnmap.FLAGS_ALL -> unmapAll(session);
                    default ->
                        throw Session.invalid("DMA unmap flags 0x" + Integer.toHexString(flags) + " are not known");
                };
        session.putInt(Layout.DmaUnmap.ARGSZ, size);
        return size;
    }

    private static int unmapOne(Session session) {
        session.requireSize(Layout.DmaUnmap.SIZE);
        session.device().unmap(session.getLong(Layout.DmaUnmap.ADDRESS), session.getLong(Layout.DmaUnmap.LENGTH));
        return session.echo(Layout.DmaUnmap.SIZE);
    }

    /** In older versions of the specification, and sent by QEMU. */
    private static int unmapAll(Session session) {
        session.requireSize(Layout.DmaUnmap.SIZE);
        if ((session.getLong(Layout.DmaUnmap.ADDRESS) | session.getLong(Layout.DmaUnmap.LENGTH)) != 0) {
            throw Session.invalid("address and size must be 0 where all is unmapped");
        }
        for (DmaMapping mapping : session.device().mappings()) {
            session.device().unmap(mapping.iova(), mapping.size());
        }
        return session.echo(Layout.DmaUnmap.SIZE);
    }

    /**
     * Reports once before, so that what cannot be reported stays mapped, and once after: only then the last write has been
     * made. Bits that are set stay set.
     */
    private static int unmapWithBitmap(Session session) {
        session.requireSize(Layout.DmaUnmap.BITMAP_DATA);
        long address = session.getLong(Layout.DmaUnmap.ADDRESS);
        long length = session.getLong(Layout.DmaUnmap.LENGTH);
        long pageSize = session.getLong(Layout.DmaUnmap.BITMAP_PGSIZE);
        long size = session.getLong(Layout.DmaUnmap.BITMAP_SIZE);
        if (Long.compareUnsigned(size, PageBitmap.size(address, length, pageSize)) < 0) {
            throw Session.invalid("a bitmap of " + size + " bytes is too small for " + Long.toUnsignedString(length)
                    + " bytes of memory in pages of " + pageSize);
        }
        Migratable migration = session.migration();
        ByteBuffer bitmap = session.replyBitmap(Layout.DmaUnmap.BITMAP_DATA, size, Layout.DmaUnmap.ARGSZ);
        migration.report(address, length, pageSize, bitmap);
        session.device().unmap(address, length);
        migration.report(address, length, pageSize, bitmap);
        return session.echo(Layout.DmaUnmap.BITMAP_DATA) + (int) size;
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
