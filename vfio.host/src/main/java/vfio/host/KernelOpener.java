package vfio.host;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import vfio.linux.ControlFile;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Opens functions through the kernel's VFIO.
 *
 * @param devices {@code /dev/vfio}
 * @param sysfs tells who is in a group
 * @param files opens a path
 * @param limit of memory that can be locked
 * @param mapping whether users may map registers, and with that get the device's descriptor
 */
record KernelOpener(Path devices, Sysfs sysfs, Function<Path, ControlFile> files, LockedMemory limit, boolean mapping)
        implements HostFunction.Opener {
    @Override
    public OpenHostFunction open(
            SysfsFunction function, HostInterrupts.Loss loss, Consumer<OpenHostFunction> whenClosed) {
        int group = function.group()
                .orElseThrow(() -> new VfioException(Errno.EPERM, function.address() + " has no IOMMU group"));
        IommuDomain domain =
                GroupDomain.open(devices, group, function.address().toString(), files, limit, () -> blocked(function));
        boolean complete = false;
        try {
            OpenHostFunction opened = OpenHostFunction.of(function.address(), domain, mapping, loss, whenClosed);
            complete = true;
            return opened;
        } finally {
            if (!complete) {
                domain.close();
            }
        }
    }

    private String blocked(SysfsFunction function) {
        List<SysfsFunction> group = sysfs.group(function.address());
        return function.blocker(group)
                .map(other -> other.address() + " is " + other.boundTo() + "; run vfio:bind " + other.address())
                .orElse("another of its functions is used by the kernel; bind all of them (vfio:bind)");
    }
}
