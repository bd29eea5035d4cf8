package vfio.host;

/** Requests, flags and layouts of {@code <linux/vfio.h>} and {@code <linux/iommufd.h>}, named as there; offsets of members are named {@code STRUCTURE_MEMBER}. */
final class Uapi {
    private static final int BASE = ';' << 8 | 100;
    private static final int IOMMUFD_BASE = ';' << 8 | 0x80;

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
    static final int VFIO_DEVICE_BIND_IOMMUFD = BASE + 18;
    static final int VFIO_DEVICE_ATTACH_IOMMUFD_PT = BASE + 19;
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

    static final int IOMMU_IOAS_ALLOC = IOMMUFD_BASE + 1;
    static final int IOMMU_IOAS_IOVA_RANGES = IOMMUFD_BASE + 4;
    static final int IOMMU_IOAS_MAP = IOMMUFD_BASE + 5;
    static final int IOMMU_IOAS_UNMAP = IOMMUFD_BASE + 6;

    static final int BIND_IOMMUFD_SIZE = 16;
    static final int BIND_IOMMUFD_IOMMUFD = 8;

    static final int ATTACH_IOMMUFD_PT_SIZE = 12;
    static final int ATTACH_IOMMUFD_PT_PT_ID = 8;

    static final int IOAS_ALLOC_SIZE = 12;
    static final int IOAS_ALLOC_OUT_IOAS_ID = 8;

    static final int IOAS_IOVA_RANGES_SIZE = 32;
    static final int IOAS_IOVA_RANGES_IOAS_ID = 4;
    static final int IOAS_IOVA_RANGES_NUM_IOVAS = 8;
    static final int IOAS_IOVA_RANGES_ALLOWED_IOVAS = 16;
    static final int IOAS_IOVA_RANGES_OUT_IOVA_ALIGNMENT = 24;

    static final int IOAS_MAP_SIZE = 40;
    static final int IOAS_MAP_IOAS_ID = 8;
    static final int IOAS_MAP_USER_VA = 16;
    static final int IOAS_MAP_LENGTH = 24;
    static final int IOAS_MAP_IOVA = 32;
    static final int IOMMU_IOAS_MAP_FIXED_IOVA = 1;
    static final int IOMMU_IOAS_MAP_WRITEABLE = 1 << 1;
    static final int IOMMU_IOAS_MAP_READABLE = 1 << 2;

    static final int IOAS_UNMAP_SIZE = 24;
    static final int IOAS_UNMAP_IOAS_ID = 4;
    static final int IOAS_UNMAP_IOVA = 8;
    static final int IOAS_UNMAP_LENGTH = 16;

    private Uapi() {}
}
