package vfio.host;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.function.Function;
import vfio.linux.ControlFile;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;

/** An address space of its own in an iommufd, with the device attached, which is opened by its own node. */
final class IommufdDomain extends CheckedDomain {
    static final String WAY = "iommufd";

    private final ControlFile iommu;
    private final ControlFile device;
    private final int space;

    private IommufdDomain(
            String subject, LockedMemory limit, ControlFile iommu, ControlFile device, int space, IommuLimits limits) {
        super(subject, limit, limits);
        this.iommu = iommu;
        this.device = device;
        this.space = space;
    }

    /**
     * Opens a function.
     *
     * @param iommuPath {@code /dev/iommu}
     * @param devicePath {@code /dev/vfio/devices/vfioN}
     * @param address as in sysfs
     * @param files opens a path
     * @throws vfio.pci.api.device.VfioException of the kernel, with the next step
     */
    static IommufdDomain open(
            Path iommuPath, Path devicePath, String address, Function<Path, ControlFile> files, LockedMemory limit) {
        OpenFiles opened = new OpenFiles();
        boolean complete = false;
        try {
            ControlFile iommu =
                    opened.add(KernelCall.OPEN_IOMMUFD.with(iommuPath.toString(), () -> files.apply(iommuPath)));
            ControlFile device =
                    opened.add(KernelCall.OPEN_DEVICE.with(devicePath.toString(), () -> files.apply(devicePath)));
            ByteBuffer bind = Structure.of(Uapi.BIND_IOMMUFD_SIZE);
            KernelCall.DEVICE_BIND_IOMMUFD.on(
                    address, () -> device.call(Uapi.VFIO_DEVICE_BIND_IOMMUFD, bind, Uapi.BIND_IOMMUFD_IOMMUFD, iommu));
            int space = allocate(iommu, iommuPath.toString());
            ByteBuffer attach = Structure.of(Uapi.ATTACH_IOMMUFD_PT_SIZE).putInt(Uapi.ATTACH_IOMMUFD_PT_PT_ID, space);
            KernelCall.DEVICE_ATTACH_IOMMUFD_PT.on(
                    address, () -> device.call(Uapi.VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach));
            IommufdDomain domain = new IommufdDomain(
                    address, limit, iommu, device, space, IommuLimits.of(iommu, space, "the IOMMU of " + address));
            complete = true;
            return domain;
        } finally {
            if (!complete) {
                opened.close();
            }
        }
    }

    @Override
    public String way() {
        return WAY;
    }

    @Override
    public ControlFile device() {
        return device;
    }

    @Override
    void map(DmaMapping mapping, MappedMemory memory) {
        ByteBuffer structure = Structure.of(Uapi.IOAS_MAP_SIZE)
                .putInt(
                        Uapi.FLAGS,
                        Uapi.IOMMU_IOAS_MAP_FIXED_IOVA
                                | (mapping.readable() ? Uapi.IOMMU_IOAS_MAP_READABLE : 0)
                                | (mapping.writable() ? Uapi.IOMMU_IOAS_MAP_WRITEABLE : 0))
                .putInt(Uapi.IOAS_MAP_IOAS_ID, space)
                .putLong(Uapi.IOAS_MAP_LENGTH, mapping.size())
                .putLong(Uapi.IOAS_MAP_IOVA, mapping.iova());
        KernelCall.IOAS_MAP.on(
                subject(mapping), () -> iommu.call(Uapi.IOMMU_IOAS_MAP, structure, Uapi.IOAS_MAP_USER_VA, memory));
    }

    @Override
    void unmapMemory(DmaMapping mapping) {
        ByteBuffer structure = Structure.of(Uapi.IOAS_UNMAP_SIZE)
                .putInt(Uapi.IOAS_UNMAP_IOAS_ID, space)
                .putLong(Uapi.IOAS_UNMAP_IOVA, mapping.iova())
                .putLong(Uapi.IOAS_UNMAP_LENGTH, mapping.size());
        KernelCall.IOAS_UNMAP.on(subject(mapping), () -> iommu.call(Uapi.IOMMU_IOAS_UNMAP, structure));
    }

    /** The iommufd goes last: with it go the mappings, which nothing can use any more. */
    @Override
    public void close() {
        device.close();
        iommu.close();
    }

    private static int allocate(ControlFile iommu, String path) {
        ByteBuffer structure = Structure.of(Uapi.IOAS_ALLOC_SIZE);
        KernelCall.IOAS_ALLOC.on(path, () -> iommu.call(Uapi.IOMMU_IOAS_ALLOC, structure));
        return structure.getInt(Uapi.IOAS_ALLOC_OUT_IOAS_ID);
    }
}
