package vfio.host;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/** Gives functions to vfio-pci and back, by the files of sysfs. One change at a time. */
final class DriverBinding {
    /** Ends an override. */
    private static final String NONE = "";

    private final Sysfs sysfs;
    private final HostUse use;
    /** The driver each function had before it was bound here; an empty one if it had none. */
    private final Map<PciAddress, Optional<String>> previous = new ConcurrentHashMap<>();

    DriverBinding(Sysfs sysfs, HostUse use) {
        this.sysfs = sysfs;
        this.use = use;
    }

    /** See {@link vfio.pci.api.manage.HostFunctions#bind}. */
    synchronized List<String> bind(PciAddress address, boolean force, boolean dryRun) {
        SysfsFunction function = sysfs.require(address);
        Steps steps = new Steps(dryRun);
        if (function.isVfio()) {
            steps.say(address + " is " + function.boundTo() + " already");
        } else {
            requireBindable(function, force);
            steps.write(sysfs.folder(address).resolve("driver_override"), SysfsFunction.VFIO_PCI);
            function.driver()
                    .ifPresent(driver -> steps.write(sysfs.driver(driver).resolve("unbind"), address.toString()));
            steps.write(sysfs.driversProbe(), address.toString());
            if (!dryRun) {
                previous.put(address, function.driver());
                requireBound(address);
            }
        }
        function.blocker(sysfs.group(address))
                .ifPresent(other -> steps.say("its IOMMU group cannot be used yet: " + other.address() + " is "
                        + other.boundTo() + "; run vfio:bind " + other.address()));
        return steps.done();
    }

    /**
     * See {@link vfio.pci.api.manage.HostFunctions#unbind}.
     *
     * @param permitted whether it may be taken from whoever has it
     */
    synchronized List<String> unbind(PciAddress address, boolean permitted, boolean dryRun) {
        SysfsFunction function = sysfs.require(address);
        String driver = function.driver().orElse(NONE);
        if (!function.isVfio()) {
            throw new VfioException(
                    Errno.EINVAL, address + " is " + function.boundTo() + ", not to " + SysfsFunction.VFIO_PCI);
        }
        if (!permitted) {
            throw new VfioException(
                    Errno.EBUSY, address + " is in use; close it where it is open first, or take it away with --force");
        }
        Steps steps = new Steps(dryRun);
        steps.write(sysfs.folder(address).resolve("driver_override"), NONE);
        steps.write(sysfs.driver(driver).resolve("unbind"), address.toString());
        Optional<String> known = previous.get(address);
        if (known == null) {
            steps.write(sysfs.driversProbe(), address.toString());
        } else if (known.isPresent()) {
            steps.write(sysfs.driver(known.get()).resolve("bind"), address.toString());
        } else {
            steps.say(address + " had no driver before, and gets none");
        }
        if (!dryRun) {
            previous.remove(address);
            steps.say(address + " is " + sysfs.require(address).boundTo());
        }
        return steps.done();
    }

    /**
     * See {@link vfio.pci.api.manage.HostFunctions#setVirtualFunctions}.
     *
     * @param open tells whether somebody has a function open
     */
    synchronized List<PciAddress> setVirtualFunctions(PciAddress address, int count, Predicate<PciAddress> open) {
        SysfsFunction function = sysfs.require(address);
        if (function.virtualFunctionMaximum() == 0) {
            throw new VfioException(
                    Errno.EINVAL,
                    address + " cannot have virtual functions; a device needs SR-IOV and a driver that supports it");
        }
        if (count < 0 || count > function.virtualFunctionMaximum()) {
            throw new VfioException(
                    Errno.EINVAL,
                    address + " can have 0 to " + function.virtualFunctionMaximum() + " virtual functions, not "
                            + count);
        }
        sysfs.virtualFunctions(address).stream().filter(open).findFirst().ifPresent(used -> {
            throw new VfioException(Errno.EBUSY, used + " is in use; close it where it is open first");
        });
        Path number = sysfs.folder(address).resolve("sriov_numvfs");
        if (function.virtualFunctions() != 0 && function.virtualFunctions() != count) {
            Sysfs.write(number, "0");
        }
        if (function.virtualFunctions() != count && count != 0) {
            Sysfs.write(number, Integer.toString(count));
        }
        return sysfs.virtualFunctions(address);
    }

    private void requireBindable(SysfsFunction function, boolean force) {
        PciAddress address = function.address();
        if (function.isBridge()) {
            throw new VfioException(Errno.EOPNOTSUPP, address + " is a bridge; bind what is behind it");
        }
        if (function.group().isEmpty()) {
            throw new VfioException(
                    Errno.EOPNOTSUPP,
                    address
                            + " has no IOMMU group; switch the IOMMU on, in the firmware and with intel_iommu=on (Intel)");
        }
        if (!Files.isDirectory(sysfs.driver(SysfsFunction.VFIO_PCI))) {
            throw new VfioException(Errno.ENOENT, "the kernel has no driver vfio-pci; load it (modprobe vfio-pci)");
        }
        Optional<String> used = force ? Optional.empty() : use.of(address);
        used.ifPresent(how -> {
            throw new VfioException(
                    Errno.EBUSY, address + " is used by this host: " + how + "; give that up, or take it with --force");
        });
    }

    private void requireBound(PciAddress address) {
        SysfsFunction now = sysfs.require(address);
        if (!now.isVfio()) {
            throw new VfioException(
                    Errno.EIO,
                    address + " is " + now.boundTo()
                            + " although vfio-pci was asked for; the kernel's log (dmesg) says why");
        }
    }

    /** What is done, or only said. */
    private static final class Steps {
        private final boolean dryRun;
        private final List<String> said = new ArrayList<>();

        Steps(boolean dryRun) {
            this.dryRun = dryRun;
        }

        void write(Path file, String line) {
            said.add("echo '" + line + "' > " + file);
            if (!dryRun) {
                Sysfs.write(file, line);
            }
        }

        void say(String sentence) {
            said.add(sentence);
        }

        List<String> done() {
            return List.copyOf(said);
        }
    }
}
