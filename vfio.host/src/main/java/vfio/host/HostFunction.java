package vfio.host;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciInterrupt;

/** A function of this host as the rest of the system sees it. */
final class HostFunction implements PciDevice {
    private final Opener opener;
    private final Loss loss;
    private final AtomicReference<@Nullable OpenHostFunction> user = new AtomicReference<>();
    private volatile SysfsFunction described;
    private volatile Optional<String> obstacle;
    private volatile boolean leaving;

    /** Opens functions in the kernel. */
    interface Opener {
        /** Opens it; fails with whatever keeps it from being opened. */
        OpenHostFunction open(SysfsFunction function, HostInterrupts.Loss loss, Consumer<OpenHostFunction> whenClosed);

        /** By what interface of the kernel it would open it, for people. */
        String way(SysfsFunction function);
    }

    /** Takes a function that is being lost from its user. */
    interface Loss {
        /** Takes it; for good if the kernel wants it back, else it may be opened again. */
        void of(HostFunction function, String reason, boolean forGood);
    }

    HostFunction(SysfsFunction described, List<SysfsFunction> group, Opener opener, Loss loss) {
        this.described = described;
        this.obstacle = described.unassignableReason(group);
        this.opener = opener;
        this.loss = loss;
    }

    /** What the kernel tells of it now. Returns whether others have to hear of that. */
    boolean describe(SysfsFunction now, List<SysfsFunction> group) {
        boolean changed = !described.equals(now);
        described = now;
        Optional<String> before = obstacle;
        obstacle = now.unassignableReason(group);
        return changed || !before.equals(obstacle);
    }

    SysfsFunction described() {
        return described;
    }

    boolean isOpen() {
        return user.get() != null;
    }

    @Override
    public PciAddress address() {
        return described.address();
    }

    @Override
    public PciIds ids() {
        return described.ids();
    }

    @Override
    public String backend() {
        return "linux";
    }

    @Override
    public Optional<PciAddress> physicalFunction() {
        return described.physicalFunction();
    }

    @Override
    public int virtualFunctionNumber() {
        return described.virtualFunctionNumber();
    }

    @Override
    public Optional<String> unassignableReason() {
        return obstacle;
    }

    @Override
    public Map<String, String> details() {
        return described.details();
    }

    /** While it is open that is how it was opened; the kernel may have got another since. */
    @Override
    public Optional<String> openedThrough() {
        OpenHostFunction opened = user.get();
        if (opened != null) {
            return Optional.of(opened.way());
        }
        SysfsFunction now = described;
        return now.isVfio() ? Optional.of(opener.way(now)) : Optional.empty();
    }

    /** The DMA of a real device goes through the IOMMU, not through the map given here. */
    @Override
    public Hardware open(DmaSpace memory) {
        synchronized (this) {
            if (user.get() != null) {
                throw new VfioException(Errno.EBUSY, address() + " is in use; close it where it is open first");
            }
            if (leaving) {
                throw leaving();
            }
            obstacle.ifPresent(reason -> {
                throw new VfioException(Errno.EPERM, reason);
            });
            OpenHostFunction opened = opener.open(described, this::lost, closed -> user.compareAndSet(closed, null));
            user.set(opened);
            if (leaving) {
                opened.close();
                throw leaving();
            }
            return opened;
        }
    }

    /** Nobody may open it again. */
    void leave() {
        leaving = true;
    }

    /** Takes the function from whoever still has it. */
    void close() {
        OpenHostFunction opened = user.get();
        if (opened != null) {
            opened.close();
        }
    }

    @Override
    public String toString() {
        return address() + " " + ids().id();
    }

    private VfioException leaving() {
        return new VfioException(Errno.ENODEV, address() + " is being taken away by the kernel");
    }

    private void lost(int index) {
        if (index == PciInterrupt.REQ) {
            leave();
            loss.of(this, "the kernel wants it back: it is being removed or unbound", true);
        } else {
            loss.of(this, "it reported an error that cannot be corrected", false);
        }
    }
}
