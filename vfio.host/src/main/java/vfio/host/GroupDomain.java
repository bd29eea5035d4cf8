package vfio.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.function.Function;
import java.util.function.Supplier;
import vfio.linux.ControlFile;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** A container of its own with the device's group in it, of type 1 version 2. */
final class GroupDomain extends CheckedDomain {
    static final String WAY = "group and container";

    private final ControlFile container;
    private final ControlFile group;
    private final ControlFile device;

    private GroupDomain(
            String subject,
            LockedMemory limit,
            ControlFile container,
            ControlFile group,
            ControlFile device,
            IommuLimits limits) {
        super(subject, limit, limits);
        this.container = container;
        this.group = group;
        this.device = device;
    }

    /**
     * Opens a function.
     *
     * @param folder {@code /dev/vfio}
     * @param number of its group
     * @param address as in sysfs
     * @param files opens a path
     * @param blocked says which other function keeps the group from being used
     * @throws VfioException of the kernel, with the next step; EINVAL if the group is not viable
     */
    static GroupDomain open(
            Path folder,
            int number,
            String address,
            Function<Path, ControlFile> files,
            LockedMemory limit,
            Supplier<String> blocked) {
        Path containerPath = folder.resolve("vfio");
        Path groupPath = folder.resolve(Integer.toString(number));
        OpenFiles opened = new OpenFiles();
        boolean complete = false;
        try {
            ControlFile container = opened.add(
                    KernelCall.OPEN_CONTAINER.with(containerPath.toString(), () -> files.apply(containerPath)));
            requireType1(container, containerPath.toString());
            ControlFile group =
                    opened.add(KernelCall.OPEN_GROUP.with(groupPath.toString(), () -> files.apply(groupPath)));
            requireViable(group, groupPath.toString(), blocked);
            attach(container, group, groupPath.toString());
            ControlFile device = opened.add(KernelCall.GROUP_GET_DEVICE_FD.with(
                    address, () -> group.open(Uapi.VFIO_GROUP_GET_DEVICE_FD, address)));
            GroupDomain domain = new GroupDomain(
                    address, limit, container, group, device, IommuLimits.of(container, "the IOMMU of " + address));
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
        ByteBuffer structure = Structure.of(Uapi.DMA_MAP_SIZE)
                .putInt(
                        Uapi.FLAGS,
                        (mapping.readable() ? Uapi.VFIO_DMA_MAP_FLAG_READ : 0)
                                | (mapping.writable() ? Uapi.VFIO_DMA_MAP_FLAG_WRITE : 0))
                .putLong(Uapi.DMA_MAP_IOVA, mapping.iova())
                .putLong(Uapi.DMA_MAP_LENGTH, mapping.size());
        KernelCall.IOMMU_MAP_DMA.on(
                subject(mapping), () -> container.call(Uapi.VFIO_IOMMU_MAP_DMA, structure, Uapi.DMA_MAP_VADDR, memory));
    }

    @Override
    void unmapMemory(DmaMapping mapping) {
        ByteBuffer structure = Structure.of(Uapi.DMA_UNMAP_SIZE)
                .putLong(Uapi.DMA_UNMAP_IOVA, mapping.iova())
                .putLong(Uapi.DMA_UNMAP_LENGTH, mapping.size());
        KernelCall.IOMMU_UNMAP_DMA.on(subject(mapping), () -> container.call(Uapi.VFIO_IOMMU_UNMAP_DMA, structure));
    }

    /** The container goes last: with it go the mappings, which nothing can use any more. */
    @Override
    public void close() {
        device.close();
        group.close();
        container.close();
    }

    private static void requireType1(ControlFile container, String path) {
        int version = KernelCall.GET_API_VERSION.on(path, () -> container.call(Uapi.VFIO_GET_API_VERSION, 0));
        if (version != Uapi.VFIO_API_VERSION) {
            throw new VfioException(
                    Errno.EOPNOTSUPP, path + " speaks version " + version + " of VFIO, and only 0 is known here");
        }
        int present = KernelCall.CHECK_EXTENSION.on(
                path, () -> container.call(Uapi.VFIO_CHECK_EXTENSION, Uapi.VFIO_TYPE1v2_IOMMU));
        if (present == 0) {
            throw new VfioException(
                    Errno.EOPNOTSUPP,
                    path + " has no driver for this kind of IOMMU; load the module (modprobe vfio_iommu_type1)");
        }
    }

    private static void requireViable(ControlFile group, String path, Supplier<String> blocked) {
        ByteBuffer status = Structure.of(Uapi.GROUP_STATUS_SIZE);
        KernelCall.GROUP_GET_STATUS.on(path, () -> group.call(Uapi.VFIO_GROUP_GET_STATUS, status));
        if ((status.getInt(Uapi.FLAGS) & Uapi.VFIO_GROUP_FLAGS_VIABLE) == 0) {
            throw new VfioException(Errno.EINVAL, "the group " + path + " is not viable: " + blocked.get());
        }
    }

    private static void attach(ControlFile container, ControlFile group, String path) {
        ByteBuffer number = ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        KernelCall.GROUP_SET_CONTAINER.on(path, () -> group.call(Uapi.VFIO_GROUP_SET_CONTAINER, number, 0, container));
        KernelCall.SET_IOMMU.on(path, () -> container.call(Uapi.VFIO_SET_IOMMU, Uapi.VFIO_TYPE1v2_IOMMU));
    }
}
