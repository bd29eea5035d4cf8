package vfio.host;

import java.util.Map;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * A call of the kernel, and what an operator does when it fails.
 *
 * @param what its name, for people
 * @param request its number, of an {@code ioctl}; 0 if it is none
 * @param nextSteps what to do about a failure
 */
record KernelCall(String what, int request, Map<Errno, String> nextSteps) {
    static final KernelCall OPEN_CONTAINER = new KernelCall(
            "opening",
            0,
            Map.of(
                    Errno.ENOENT, "load the module (modprobe vfio-pci), or hand the device to the container",
                    Errno.ENODEV, "load the module (modprobe vfio)",
                    Errno.EACCES, "let the user of the runtime read and write it",
                    Errno.EPERM, "let the runtime use it (device cgroup)"));

    static final KernelCall GET_API_VERSION =
            new KernelCall("VFIO_GET_API_VERSION", Uapi.VFIO_GET_API_VERSION, Map.of());

    static final KernelCall CHECK_EXTENSION =
            new KernelCall("VFIO_CHECK_EXTENSION", Uapi.VFIO_CHECK_EXTENSION, Map.of());

    static final KernelCall OPEN_GROUP = new KernelCall(
            "opening",
            0,
            Map.of(
                    Errno.ENOENT, "no function of the group is bound to vfio-pci; bind them (vfio:bind)",
                    Errno.ENODEV, "no function of the group is bound to vfio-pci; bind them (vfio:bind)",
                    Errno.EACCES, "let the user of the runtime read and write it (chown)",
                    Errno.EPERM, "let the runtime use it (device cgroup); without an IOMMU it needs CAP_SYS_RAWIO",
                    Errno.EBUSY,
                            "another program has the group, or a VMM still has a descriptor of the device; functions of a"
                                    + " group can have one user only"));

    static final KernelCall GROUP_GET_STATUS =
            new KernelCall("VFIO_GROUP_GET_STATUS", Uapi.VFIO_GROUP_GET_STATUS, Map.of());

    static final KernelCall GROUP_SET_CONTAINER = new KernelCall(
            "VFIO_GROUP_SET_CONTAINER",
            Uapi.VFIO_GROUP_SET_CONTAINER,
            Map.of(
                    Errno.EINVAL, "the group is in a container already; close what has it",
                    Errno.EPERM, "the group is not viable; bind all its functions (vfio:bind)",
                    Errno.EBUSY, "the group's IOMMU has another owner in the kernel; unbind that driver"));

    static final KernelCall SET_IOMMU = new KernelCall(
            "VFIO_SET_IOMMU",
            Uapi.VFIO_SET_IOMMU,
            Map.of(
                    Errno.ENODEV, "load the module (modprobe vfio_iommu_type1)",
                    Errno.EPERM,
                            "the host cannot keep devices' interrupts apart; switch interrupt remapping on in the firmware, or"
                                    + " accept the risk (vfio_iommu_type1.allow_unsafe_interrupts=1)",
                    Errno.EBUSY, "the group's IOMMU has another owner in the kernel; unbind that driver",
                    Errno.EINVAL, "the group's IOMMU is used for something else; restart the host with iommu=nopt"));

    static final KernelCall IOMMU_GET_INFO = new KernelCall("VFIO_IOMMU_GET_INFO", Uapi.VFIO_IOMMU_GET_INFO, Map.of());

    static final KernelCall GROUP_GET_DEVICE_FD = new KernelCall(
            "VFIO_GROUP_GET_DEVICE_FD",
            Uapi.VFIO_GROUP_GET_DEVICE_FD,
            Map.of(
                    Errno.ENODEV, "it has left the group, or is not bound to vfio-pci; bind it (vfio:bind)",
                    Errno.EINVAL, "the group is not viable; bind all its functions (vfio:bind)",
                    Errno.EPERM, "the group is not viable; bind all its functions (vfio:bind)",
                    Errno.EACCES,
                            "its physical function is bound to vfio-pci and wants a token; bind that to its own driver"
                                    + " (vfio:unbind)",
                    Errno.EBUSY, "another program has it; stop that"));

    static final KernelCall DEVICE_GET_INFO =
            new KernelCall("VFIO_DEVICE_GET_INFO", Uapi.VFIO_DEVICE_GET_INFO, Map.of());

    static final KernelCall DEVICE_GET_REGION_INFO =
            new KernelCall("VFIO_DEVICE_GET_REGION_INFO", Uapi.VFIO_DEVICE_GET_REGION_INFO, Map.of());

    static final KernelCall DEVICE_GET_IRQ_INFO =
            new KernelCall("VFIO_DEVICE_GET_IRQ_INFO", Uapi.VFIO_DEVICE_GET_IRQ_INFO, Map.of());

    static final KernelCall DEVICE_SET_IRQS = new KernelCall(
            "VFIO_DEVICE_SET_IRQS",
            Uapi.VFIO_DEVICE_SET_IRQS,
            Map.of(
                    Errno.EINVAL,
                            "another type of interrupt is enabled, or the vectors were set up as a set; disable that first",
                    Errno.ENOSPC, "the host has no interrupt vectors left; use fewer queues",
                    Errno.EBUSY, "its interrupt line is shared and it cannot be told apart; use MSI or MSI-X",
                    Errno.ENODEV, "it has been removed"));

    static final KernelCall DEVICE_RESET = new KernelCall(
            "VFIO_DEVICE_RESET",
            Uapi.VFIO_DEVICE_RESET,
            Map.of(
                    Errno.ENOTTY, "it cannot be reset without its neighbours",
                    Errno.EINVAL, "it cannot be reset without its neighbours",
                    Errno.EAGAIN, "it is busy; try again",
                    Errno.ENODEV, "it has been removed"));

    static final KernelCall GET_PCI_HOT_RESET_INFO =
            new KernelCall("VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", Uapi.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, Map.of());

    static final KernelCall IOMMU_MAP_DMA = new KernelCall(
            "VFIO_IOMMU_MAP_DMA",
            Uapi.VFIO_IOMMU_MAP_DMA,
            Map.of(
                    Errno.EEXIST, "it overlaps a mapping; unmap that first",
                    Errno.EINVAL, "the IOMMU does not take this address or size",
                    Errno.ENOSPC,
                            "the kernel's limit of mappings is reached; raise it (vfio_iommu_type1.dma_entry_limit), or let the"
                                    + " client make fewer, larger ones",
                    Errno.EFAULT, "its pages cannot be pinned; let the client use memory of memfd or hugetlbfs",
                    Errno.EBUSY, "the device is being taken away"));

    static final KernelCall IOMMU_UNMAP_DMA = new KernelCall(
            "VFIO_IOMMU_UNMAP_DMA", Uapi.VFIO_IOMMU_UNMAP_DMA, Map.of(Errno.EINVAL, "it is not a mapping"));

    static final KernelCall OPEN_IOMMUFD = new KernelCall(
            "opening",
            0,
            Map.of(
                    Errno.ENODEV, "load the module (modprobe iommufd)",
                    Errno.EACCES, "let the user of the runtime read and write it",
                    Errno.EPERM, "let the runtime use it (device cgroup)"));

    static final KernelCall OPEN_DEVICE = new KernelCall(
            "opening",
            0,
            Map.of(
                    Errno.ENOENT, "it is not bound to vfio-pci any more; bind it (vfio:bind)",
                    Errno.ENODEV, "it is not bound to vfio-pci any more; bind it (vfio:bind)",
                    Errno.EACCES, "let the user of the runtime read and write it (chown)",
                    Errno.EPERM, "let the runtime use it (device cgroup)"));

    static final KernelCall DEVICE_BIND_IOMMUFD = new KernelCall(
            "VFIO_DEVICE_BIND_IOMMUFD",
            Uapi.VFIO_DEVICE_BIND_IOMMUFD,
            Map.of(
                    Errno.EINVAL, "another program has it, or a VMM still has a descriptor of it; stop that",
                    Errno.EPERM,
                            "the host cannot keep devices' interrupts apart; switch interrupt remapping on in the firmware, or"
                                    + " accept the risk (iommufd.allow_unsafe_interrupts=1)",
                    Errno.EBUSY, "another program has its group, or another driver of the kernel its IOMMU; stop that",
                    Errno.ENODEV, "it is not bound to vfio-pci any more; bind it (vfio:bind)"));

    static final KernelCall DEVICE_ATTACH_IOMMUFD_PT = new KernelCall(
            "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
            Uapi.VFIO_DEVICE_ATTACH_IOMMUFD_PT,
            Map.of(
                    Errno.EBUSY, "the group's IOMMU has another owner in the kernel; unbind that driver",
                    Errno.EINVAL, "the group's IOMMU is used for something else; restart the host with iommu=nopt"));

    static final KernelCall IOAS_ALLOC = new KernelCall("IOMMU_IOAS_ALLOC", Uapi.IOMMU_IOAS_ALLOC, Map.of());

    static final KernelCall IOAS_IOVA_RANGES =
            new KernelCall("IOMMU_IOAS_IOVA_RANGES", Uapi.IOMMU_IOAS_IOVA_RANGES, Map.of());

    static final KernelCall IOAS_MAP = new KernelCall(
            "IOMMU_IOAS_MAP",
            Uapi.IOMMU_IOAS_MAP,
            Map.of(
                    Errno.EEXIST, "it overlaps a mapping; unmap that first",
                    Errno.EINVAL, "the IOMMU does not take this address or size",
                    Errno.EFAULT, "its pages cannot be pinned; let the client use memory of memfd or hugetlbfs"));

    static final KernelCall IOAS_UNMAP =
            new KernelCall("IOMMU_IOAS_UNMAP", Uapi.IOMMU_IOAS_UNMAP, Map.of(Errno.ENOENT, "it is not a mapping"));

    /**
     * Makes the call.
     *
     * @param subject a device, a path or a range, for people
     * @throws VfioException with the kernel's error, that says what was done to what and what to do now
     */
    int on(String subject, IntSupplier call) {
        return with(subject, call::getAsInt);
    }

    /** Like {@link #on}, for a call with another result. */
    <T> T with(String subject, Supplier<T> call) {
        try {
            return call.get();
        } catch (VfioException e) {
            throw failure(subject, e);
        }
    }

    private VfioException failure(String subject, VfioException cause) {
        String advice = nextSteps.get(cause.errno());
        return new VfioException(
                cause.errno(),
                what + (request == 0 ? " " : " of ") + subject + " failed with " + cause.errno()
                        + (advice == null ? "" : ": " + advice),
                cause);
    }
}
