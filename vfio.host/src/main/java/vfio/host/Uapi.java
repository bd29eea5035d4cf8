package vfio.host;

/** Requests, flags and layouts of {@code <linux/vfio.h>}, named as there; offsets of members are named {@code STRUCTURE_MEMBER}. */
final class Uapi {
    private static final int BASE = ';' << 8 | 100;

    static final int VFIO_API_VERSION = 0;
    static final int VFIO_TYPE1v2_IOMMU = 3;

    static final int VFIO_GET_API_VERSION = BASE;
    static final int VFIO_CHECK_EXTENSION = BASE + 1;
    static final int VFIO_SET_IOMMU = BASE + 2;
    static final int VFIO_GROUP_GET_STATUS = BASE + 3;
    static final int VFIO_GROUP_SET_CONTAINER = BASE + 4;
    static final int VFIO_GROUP_GET_DEVICE_FD = BASE + 6;
    static final int VFIO_DEVICE_GET_INFO = BASE + 7;
    static final int VFIO_DEVICE_GET_REGION_INFO = BASE + 8;
    static final int VFIO_DEVICE_GET_IRQ_INFO = BASE + 9;
    static final int VFIO_DEVICE_SET_IRQS = BASE + 10;
    static final int VFIO_DEVICE_RESET = BASE + 11;
    static final int VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = BASE + 12;
    static final int VFIO_IOMMU_GET_INFO = BASE + 12;
    static final int VFIO_IOMMU_MAP_DMA = BASE + 13;
    static final int VFIO_IOMMU_UNMAP_DMA = BASE + 14;

    /** Every structure begins with its size and its flags. */
    static final int ARGSZ = 0;

    static final int FLAGS = 4;

    static final int GROUP_STATUS_SIZE = 8;
    static final int VFIO_GROUP_FLAGS_VIABLE = 1;

    static final int DEVICE_INFO_SIZE = 16;
    static final int DEVICE_INFO_NUM_REGIONS = 8;
    static final int DEVICE_INFO_NUM_IRQS = 12;
    static final int VFIO_DEVICE_FLAGS_RESET = 1;
    static final int VFIO_DEVICE_FLAGS_PCI = 1 << 1;

    static final int REGION_INFO_SIZE = 32;
    static final int REGION_INFO_INDEX = 8;
    static final int REGION_INFO_CAP_OFFSET = 12;
    static final int REGION_INFO_LENGTH = 16;
    static final int REGION_INFO_OFFSET = 24;
    static final int VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;
    static final int VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
    static final int VFIO_REGION_INFO_CAP_TYPE = 2;
    static final int VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

    /** {@code struct vfio_info_cap_header}. */
    static final int CAP_HEADER_SIZE = 8;

    static final int CAP_ID = 0;
    static final int CAP_VERSION = 2;
    static final int CAP_NEXT = 4;

    static final int SPARSE_NR_AREAS = CAP_HEADER_SIZE;
    static final int SPARSE_AREAS = CAP_HEADER_SIZE + 8;
    static final int SPARSE_AREA_SIZE = 16;
    static final int TYPE_TYPE = CAP_HEADER_SIZE;
    static final int TYPE_SUBTYPE = CAP_HEADER_SIZE + 4;

    static final int IRQ_INFO_SIZE = 16;
    static final int IRQ_INFO_INDEX = 8;
    static final int IRQ_INFO_COUNT = 12;

    static final int IRQ_SET_SIZE = 20;
    static final int IRQ_SET_INDEX = 8;
    static final int IRQ_SET_START = 12;
    static final int IRQ_SET_COUNT = 16;
    static final int VFIO_IRQ_SET_DATA_NONE = 1;
    static final int VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;

    static final int HOT_RESET_INFO_SIZE = 12;
    static final int HOT_RESET_INFO_COUNT = 8;
    static final int DEPENDENT_DEVICE_SIZE = 8;
    static final int DEPENDENT_DEVICE_SEGMENT = 4;
    static final int DEPENDENT_DEVICE_DEVFN = 7;
    static final int DEPENDENT_DEVICE_BUS = 6;

    static final int IOMMU_INFO_SIZE = 24;
    static final int IOMMU_INFO_PGSIZES = 8;
    static final int IOMMU_INFO_CAP_OFFSET = 16;
    static final int VFIO_IOMMU_INFO_PGSIZES = 1;
    static final int VFIO_IOMMU_INFO_CAPS = 1 << 1;
    static final int VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;
    static final int IOVA_RANGES_COUNT = CAP_HEADER_SIZE;
    static final int IOVA_RANGES = CAP_HEADER_SIZE + 8;
    static final int IOVA_RANGE_SIZE = 16;

    static final int DMA_MAP_SIZE = 32;
    static final int DMA_MAP_VADDR = 8;
    static final int DMA_MAP_IOVA = 16;
    static final int DMA_MAP_LENGTH = 24;
    static final int VFIO_DMA_MAP_FLAG_READ = 1;
    static final int VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;

    static final int DMA_UNMAP_SIZE = 24;
    static final int DMA_UNMAP_IOVA = 8;
    static final int DMA_UNMAP_LENGTH = 16;

    private Uapi() {}
}
