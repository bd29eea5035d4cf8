package vfio.user.internal;

/**
 * Offsets and sizes of message data, one class for each message of the specification. Offsets count from the end of the
 * header; {@code SIZE} is the fixed part.
 */
public final class Layout {
    /** The largest fixed part of a message that also carries data. */
    public static final int FIXED_PART_MAXIMUM = DmaUnmap.BITMAP_DATA;

    private Layout() {}

    /** VERSION, request and reply. */
    public static final class Version {
        public static final int MAJOR = 0;
        public static final int MINOR = 2;
        public static final int DATA = 4;

        private Version() {}
    }

    /** DMA_MAP. The reply has no data. */
    public static final class DmaMap {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int OFFSET = 8;
        public static final int ADDRESS = 16;
        public static final int LENGTH = 24;
        public static final int SIZE = 32;

        public static final int FLAGS_READABLE = 1;
        public static final int FLAGS_WRITEABLE = 1 << 1;

        private DmaMap() {}
    }

    /** DMA_UNMAP, request and reply. */
    public static final class DmaUnmap {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int ADDRESS = 8;
        public static final int LENGTH = 16;
        public static final int SIZE = 24;

        public static final int FLAGS_GET_DIRTY_BITMAP = 1;
        public static final int FLAGS_ALL = 1 << 1;

        /** With GET_DIRTY_BITMAP; the bitmap itself is in the reply only. */
        public static final int BITMAP_PGSIZE = 24;

        public static final int BITMAP_SIZE = 32;
        public static final int BITMAP_DATA = 40;

        private DmaUnmap() {}
    }

    /** DEVICE_GET_INFO, request and reply. */
    public static final class DeviceInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int NUM_REGIONS = 8;
        public static final int NUM_IRQS = 12;
        public static final int SIZE = 16;

        public static final int FLAGS_RESET = 1;
        public static final int FLAGS_PCI = 1 << 1;

        private DeviceInfo() {}
    }

    /** DEVICE_GET_REGION_INFO, request and reply, with its capabilities. */
    public static final class RegionInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int CAP_OFFSET = 12;
        public static final int LENGTH = 16;
        public static final int OFFSET = 24;
        public static final int SIZE = 32;

        public static final int FLAGS_CAPS = 1 << 3;

        public static final int CAP_ID = 0;
        public static final int CAP_VERSION = 2;
        public static final int CAP_NEXT = 4;

        public static final int CAP_SPARSE_MMAP = 1;
        public static final int SPARSE_NR_AREAS = 8;
        public static final int SPARSE_AREAS = 16;

        /** In an area. */
        public static final int SPARSE_OFFSET = 0;

        public static final int SPARSE_SIZE = 8;
        public static final int SPARSE_AREA_SIZE = 16;

        /** Version of the capability in which areas have flags; for clients that agreed on dynamic trap. */
        public static final int SPARSE_VERSION_FLAGS = 2;

        public static final int SPARSE_FLAGS = 16;
        public static final int SPARSE_RESERVED = 20;
        public static final int SPARSE_AREA_SIZE_FLAGS = 24;
        public static final int SPARSE_FLAGS_DISABLABLE = 1;

        public static final int CAP_TYPE = 2;
        public static final int TYPE_TYPE = 8;
        public static final int TYPE_SUBTYPE = 12;
        public static final int TYPE_SIZE = 16;

        private RegionInfo() {}
    }

    /** DEVICE_GET_REGION_IO_FDS, request and reply. */
    public static final class RegionIoFds {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int COUNT = 12;
        public static final int SIZE = 16;

        private RegionIoFds() {}
    }

    /** DEVICE_GET_IRQ_INFO, request and reply. */
    public static final class IrqInfo {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int COUNT = 12;
        public static final int SIZE = 16;

        private IrqInfo() {}
    }

    /** DEVICE_SET_IRQS. The reply has no data. */
    public static final class SetIrqs {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int INDEX = 8;
        public static final int START = 12;
        public static final int COUNT = 16;
        public static final int DATA = 20;
        public static final int SIZE = 20;

        public static final int FLAGS_DATA_NONE = 1;
        public static final int FLAGS_DATA_BOOL = 1 << 1;
        public static final int FLAGS_DATA_EVENTFD = 1 << 2;
        public static final int FLAGS_DATA_MASK = 7;
        public static final int FLAGS_ACTION_MASK = 7 << 3;

        private SetIrqs() {}
    }

    /** REGION_READ and REGION_WRITE, request and reply. */
    public static final class RegionIo {
        public static final int OFFSET = 0;
        public static final int REGION = 8;
        public static final int COUNT = 12;
        public static final int DATA = 16;
        public static final int SIZE = 16;

        private RegionIo() {}
    }

    /** REGION_WRITE_MULTI: a count and that many writes of at most 8 bytes. */
    public static final class WriteMulti {
        public static final int WR_CNT = 0;
        public static final int WRS = 8;
        public static final int WR_OFFSET = 0;
        public static final int WR_REGION = 8;
        public static final int WR_COUNT = 12;
        public static final int WR_DATA = 16;
        public static final int WR_SIZE = 24;
        public static final int WR_DATA_MAXIMUM = 8;

        private WriteMulti() {}
    }

    /** DMA_READ and DMA_WRITE, request and reply. */
    public static final class DmaIo {
        public static final int ADDRESS = 0;
        public static final int COUNT = 8;
        public static final int DATA = 16;
        public static final int SIZE = 16;

        /** The specification shows a 4-byte count in the reply to DMA_WRITE; some clients send that. */
        public static final int SHORT_REPLY_SIZE = 12;

        private DmaIo() {}
    }

    /** DEVICE_FEATURE, request and reply. */
    public static final class DeviceFeature {
        public static final int ARGSZ = 0;
        public static final int FLAGS = 4;
        public static final int DATA = 8;
        public static final int SIZE = 8;

        /** The bits of {@link #FLAGS} that number the feature. */
        public static final int MASK = 0xffff;

        public static final int GET = 1 << 16;
        public static final int SET = 1 << 17;
        public static final int PROBE = 1 << 18;

        private DeviceFeature() {}
    }

    /** DEVICE_FEATURE with MIGRATION, reply. */
    public static final class Migration {
        public static final int FLAGS = DeviceFeature.DATA;
        public static final int SIZE = FLAGS + Long.BYTES;

        public static final long FLAGS_STOP_COPY = 1;
        public static final long FLAGS_P2P = 1 << 1;
        public static final long FLAGS_PRE_COPY = 1 << 2;

        private Migration() {}
    }

    /** DEVICE_FEATURE with MIG_DEVICE_STATE, request of SET and reply. */
    public static final class MigState {
        public static final int DEVICE_STATE = DeviceFeature.DATA;
        public static final int DATA_FD = DEVICE_STATE + Integer.BYTES;
        public static final int SIZE = DATA_FD + Integer.BYTES;

        private MigState() {}
    }

    /** DEVICE_FEATURE with DMA_LOGGING_START, request and reply. */
    public static final class DmaLoggingControl {
        public static final int PAGE_SIZE = DeviceFeature.DATA;
        public static final int NUM_RANGES = PAGE_SIZE + Long.BYTES;
        public static final int RESERVED = NUM_RANGES + Integer.BYTES;
        public static final int RANGES = RESERVED + Integer.BYTES;
        public static final int SIZE = RANGES;

        /** In a range. */
        public static final int RANGE_IOVA = 0;

        public static final int RANGE_LENGTH = 8;
        public static final int RANGE_SIZE = 16;

        private DmaLoggingControl() {}
    }

    /** DEVICE_FEATURE with DMA_LOGGING_REPORT, request and reply; the bitmap is in the reply only. */
    public static final class DmaLoggingReport {
        public static final int IOVA = DeviceFeature.DATA;
        public static final int LENGTH = IOVA + Long.BYTES;
        public static final int PAGE_SIZE = LENGTH + Long.BYTES;
        public static final int BITMAP = PAGE_SIZE + Long.BYTES;
        public static final int SIZE = BITMAP;

        private DmaLoggingReport() {}
    }

    /** MIG_DATA_READ, request and reply, and MIG_DATA_WRITE, request; the reply to that has no data. */
    public static final class MigData {
        public static final int ARGSZ = 0;
        public static final int LENGTH = 4;
        public static final int DATA = 8;
        public static final int SIZE = 8;

        private MigData() {}
    }
}
