package migration.region;

import java.nio.ByteBuffer;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.mediate.MediationContext;

/**
 * The migration region of version 1 of the Linux migration contract: region type 3, subtype 1, in the layout of Linux 5.8 to 5.17,
 * or in that of the proposals of 2019, which has dirty pages, too. A façade of a {@link Migration}, for clients that know nothing
 * else.
 *
 * <p>The header's fields are accessed whole: 4 bytes at 0 and 4, 8 bytes behind. The data section begins at {@value
 * #DATA_OFFSET} and is accessed as one likes. An access that is neither fails with EINVAL, a write of a field that can only be
 * read, or the other way round, with EACCES. The data section can be mapped if it was given memory; what is shown there is a
 * copy, so a client that writes when it should not spoils nothing but what it reads itself.
 *
 * <p>Sources: {@code struct vfio_device_migration_info} in {@code include/uapi/linux/vfio.h} of Linux 5.8, and in the QEMU patches
 * of August 2019 (version 8).
 */
public final class MigrationRegion implements AutoCloseable {
    /** Region type: {@code VFIO_REGION_TYPE_MIGRATION}. */
    public static final int TYPE = 3;

    /** Region subtype: {@code VFIO_REGION_SUBTYPE_MIGRATION}. */
    public static final int SUBTYPE = 1;

    /** Where the data section begins. */
    public static final int DATA_OFFSET = RegionInfo.PAGE_SIZE;

    /** Bytes of the data section. */
    public static final int DATA_SIZE = 1 << 20;

    /** {@code VFIO_DEVICE_DIRTY_PFNS_ALL}: everything that was asked for is to be taken as dirty. */
    public static final long DIRTY_PFNS_ALL = -1L;

    private static final long SIZE = DATA_OFFSET + DATA_SIZE;

    private final Migratable migration;
    private final Layout layout;
    private final int index;
    private final DataSection section;
    private final ByteBuffer data = ByteBuffer.allocate(DATA_SIZE);

    /** Whether the data section shows dirty pages. */
    private boolean showsDirtyPages;

    private boolean filled;
    private boolean offered;
    /** Bytes of the pages that are logged for this region; 0 if none are. */
    private long loggedPageSize;

    private long startPfn;
    private long pageSize;
    private long totalPfns;
    private long answeredPfns;

    /** Which fields the header has. */
    public enum Layout {
        /** 32 bytes. */
        LINUX_5_8,
        /** 64 bytes, with {@code start_pfn}, {@code page_size}, {@code total_pfns} and {@code copied_pfns}. */
        PROPOSAL_2019
    }

    /** What device_state says: bits RUNNING 1, SAVING 2 and RESUMING 4. */
    private enum DeviceState {
        STOP(0, MigrationState.STOP),
        RUNNING(1, MigrationState.RUNNING),
        STOP_AND_COPY(2, MigrationState.STOP_COPY),
        PRE_COPY(3, MigrationState.PRE_COPY),
        RESUMING(4, MigrationState.RESUMING),
        ERROR(6, MigrationState.ERROR);

        private final int bits;
        private final MigrationState state;

        DeviceState(int bits, MigrationState state) {
            this.bits = bits;
            this.state = state;
        }

        static Optional<MigrationState> stateOf(int bits) {
            for (DeviceState value : values()) {
                if (value.bits == bits) {
                    return Optional.of(value.state);
                }
            }
            return Optional.empty();
        }

        static int bitsOf(MigrationState state) {
            for (DeviceState value : values()) {
                if (value.state == state) {
                    return value.bits;
                }
            }
            throw new IllegalStateException("the region has no word for " + state);
        }
    }

    /** The fields of the header. */
    private enum Field {
        DEVICE_STATE(0, Integer.BYTES, true, true, Layout.LINUX_5_8),
        RESERVED(4, Integer.BYTES, true, true, Layout.LINUX_5_8),
        PENDING_BYTES(8, Long.BYTES, true, false, Layout.LINUX_5_8),
        DATA_OFFSET(16, Long.BYTES, true, false, Layout.LINUX_5_8),
        DATA_SIZE(24, Long.BYTES, true, true, Layout.LINUX_5_8),
        START_PFN(32, Long.BYTES, false, true, Layout.PROPOSAL_2019),
        PAGE_SIZE(40, Long.BYTES, false, true, Layout.PROPOSAL_2019),
        TOTAL_PFNS(48, Long.BYTES, false, true, Layout.PROPOSAL_2019),
        COPIED_PFNS(56, Long.BYTES, true, false, Layout.PROPOSAL_2019);

        private final int offset;
        private final int width;
        private final boolean readable;
        private final boolean writable;
        private final Layout since;

        Field(int offset, int width, boolean readable, boolean writable, Layout since) {
            this.offset = offset;
            this.width = width;
            this.readable = readable;
            this.writable = writable;
            this.since = since;
        }
    }

    private MigrationRegion(Migratable migration, Layout layout, int index, Optional<SharedMemory> memory) {
        this.migration = migration;
        this.layout = layout;
        this.index = index;
        section = new DataSection(DATA_OFFSET, DATA_SIZE, memory);
    }

    /**
     * Adds the region to a device. Only during {@link vfio.pci.api.mediate.MediateOps#open}.
     *
     * @param context what the core lends the mediation
     */
    public static MigrationRegion add(MediationContext context, Migration migration, Layout layout) {
        return add(context, migration, layout, Optional.empty());
    }

    /**
     * Adds the region with a data section that clients map. The mediation answers {@link vfio.pci.api.mediate.Mediation#mmap} with
     * {@link #memory}, and no other mediation can take over once a client has mapped it.
     *
     * @param context what the core lends the mediation
     * @param memory makes the memory, which is closed with the region
     * @throws VfioException if there is no memory
     */
    public static MigrationRegion addMappable(
            MediationContext context, Migration migration, Layout layout, SharedMemory.Factory memory) {
        return add(context, migration, layout, Optional.of(memory));
    }

    private static MigrationRegion add(
            MediationContext context, Migration migration, Layout layout, Optional<SharedMemory.Factory> memory) {
        EnumSet<RegionInfo.Flag> flags = EnumSet.of(RegionInfo.Flag.READ, RegionInfo.Flag.WRITE);
        List<SparseArea> areas = List.of();
        if (memory.isPresent()) {
            flags.add(RegionInfo.Flag.MMAP);
            areas = List.of(SparseArea.direct(DATA_OFFSET, DATA_SIZE));
        }
        int index = context.addRegion(new RegionInfo(0, SIZE, flags, areas, TYPE, SUBTYPE));
        return new MigrationRegion(
                migration.as("the migration region"),
                layout,
                index,
                memory.map(factory -> factory.allocate("migration region", SIZE)));
    }

    /** The index it got. */
    public int index() {
        return index;
    }

    /** What clients map; empty if they cannot. Owned by the region. */
    public Optional<SharedMemory> memory() {
        return section.memory();
    }

    /** Releases the memory; what clients have mapped stays mapped. Idempotent. */
    @Override
    public void close() {
        memory().ifPresent(SharedMemory::close);
    }

    /** Answers a read of this region. */
    public synchronized Result read(RegionAccess access) {
        if (access.offset() >= DATA_OFFSET) {
            section.read(access);
            return Result.DONE;
        }
        Field field = field(access);
        if (!field.readable) {
            throw new VfioException(Errno.EACCES, field + " of the migration region can only be written");
        }
        access.setValue(
                switch (field) {
                    case DEVICE_STATE -> DeviceState.bitsOf(migration.state());
                    case PENDING_BYTES -> pendingBytes();
                    case DATA_OFFSET -> dataOffset();
                    case DATA_SIZE -> dataSize();
                    case COPIED_PFNS -> copiedPfns();
                    default -> 0;
                });
        return Result.DONE;
    }

    /** Answers a write of this region. */
    public synchronized Result write(RegionAccess access) {
        if (access.offset() >= DATA_OFFSET) {
            if (migration.state() != MigrationState.RESUMING) {
                throw new VfioException(
                        Errno.EINVAL,
                        "the data section can be written while the device is RESUMING, and it is " + migration.state());
            }
            section.write(access);
            return Result.DONE;
        }
        Field field = field(access);
        if (!field.writable) {
            throw new VfioException(Errno.EACCES, field + " of the migration region can only be read");
        }
        long value = access.value();
        switch (field) {
            case DEVICE_STATE -> deviceState((int) value);
            case DATA_SIZE -> written(value);
            case START_PFN -> startPfn = value;
            case PAGE_SIZE -> pageSize = value;
            case TOTAL_PFNS -> {
                totalPfns = value;
                answeredPfns = 0;
            }
            default -> {}
        }
        return Result.DONE;
    }

    private Field field(RegionAccess access) {
        for (Field field : Field.values()) {
            if (field.offset == access.offset()
                    && field.width == access.length()
                    && field.since.compareTo(layout) <= 0) {
                return field;
            }
        }
        throw new VfioException(
                Errno.EINVAL,
                "the migration region has no field of " + access.length() + " bytes at " + access.offset());
    }

    private void deviceState(int bits) {
        MigrationState target = DeviceState.stateOf(bits)
                .filter(state -> state != MigrationState.ERROR)
                .orElseThrow(() -> new VfioException(Errno.EINVAL, bits + " is no device_state"));
        boolean starts = layout == Layout.PROPOSAL_2019 && target == MigrationState.PRE_COPY && loggedPageSize == 0;
        if (starts) {
            loggedPageSize = migration.startLogging(RegionInfo.PAGE_SIZE, List.of());
        }
        try {
            migration.request(target);
        } finally {
            empty();
            if (loggedPageSize != 0 && !migration.state().isSaving()) {
                loggedPageSize = 0;
                migration.stopLogging();
            }
        }
    }

    /** Reading this also says that the data before has been taken. */
    private long pendingBytes() {
        if (!migration.state().isSaving()) {
            return 0;
        }
        if (offered) {
            empty();
        }
        return migration.pending() + (filled ? data.limit() : 0);
    }

    private long dataOffset() {
        if (!showsDirtyPages) {
            fill();
        }
        return DATA_OFFSET;
    }

    private long dataSize() {
        if (!migration.state().isSaving()) {
            return 0;
        }
        fill();
        offered = true;
        return data.limit();
    }

    /** Has data lie ready, the same until it has been taken. */
    private void fill() {
        boolean hidden = showsDirtyPages;
        showsDirtyPages = false;
        if (!filled && migration.state().isSaving()) {
            data.clear();
            migration.read(data);
            data.flip();
            filled = true;
            hidden = true;
        }
        if (filled && hidden) {
            section.show(data.duplicate());
        }
    }

    private void empty() {
        filled = false;
        offered = false;
        showsDirtyPages = false;
        data.clear();
    }

    private void written(long size) {
        if (size < 0 || size > DATA_SIZE) {
            throw new VfioException(
                    Errno.EINVAL, "the data section has " + DATA_SIZE + " bytes, so data_size cannot be " + size);
        }
        migration.write(section.take((int) size));
    }

    /** Shows the bitmap of as many pages as fit into the data section. Part of the state that lies ready stays so. */
    private long copiedPfns() {
        long rest = totalPfns - answeredPfns;
        if (rest <= 0) {
            return 0;
        }
        if (loggedPageSize == 0 || loggedPageSize != pageSize) {
            answeredPfns = totalPfns;
            return DIRTY_PFNS_ALL;
        }
        long pages = Math.min(rest, 8L * DATA_SIZE);
        int bytes = (int) ((pages + 63) / 64 * Long.BYTES);
        ByteBuffer dirtyPages = ByteBuffer.allocate(bytes);
        migration.report((startPfn + answeredPfns) * pageSize, pages * pageSize, pageSize, dirtyPages);
        section.show(dirtyPages.clear());
        showsDirtyPages = true;
        answeredPfns += pages;
        return pages;
    }
}
