package vfio.sim;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A simulated function as the rest of the system sees it. Its state belongs to the {@link DeviceModel} and outlives close. */
final class SimulatedFunction implements PciDevice {
    private final DeviceModel model;
    private final @Nullable PciAddress physicalFunction;
    private final int virtualFunctionNumber;
    private final @Nullable String unassignableReason;
    private final AtomicReference<@Nullable OpenFunction> user = new AtomicReference<>();
    private volatile boolean removed;

    private SimulatedFunction(
            DeviceModel model, @Nullable PciAddress physicalFunction, int number, @Nullable String unassignableReason) {
        this.model = model;
        this.physicalFunction = physicalFunction;
        this.virtualFunctionNumber = number;
        this.unassignableReason = unassignableReason;
    }

    /** A function that is not virtual. */
    static SimulatedFunction physical(DeviceModel model, @Nullable String unassignableReason) {
        return new SimulatedFunction(model, null, -1, unassignableReason);
    }

    /** A virtual function. */
    static SimulatedFunction virtual(DeviceModel model, PciAddress physicalFunction, int number) {
        return new SimulatedFunction(model, physicalFunction, number, null);
    }

    @Override
    public PciAddress address() {
        return model.address();
    }

    @Override
    public PciIds ids() {
        return model.ids();
    }

    @Override
    public String backend() {
        return "simulated";
    }

    @Override
    public Optional<PciAddress> physicalFunction() {
        return Optional.ofNullable(physicalFunction);
    }

    @Override
    public int virtualFunctionNumber() {
        return virtualFunctionNumber;
    }

    @Override
    public Optional<String> unassignableReason() {
        return Optional.ofNullable(unassignableReason);
    }

    @Override
    public Hardware open(DmaSpace memory) {
        OpenFunction opened = new OpenFunction(model, this::released);
        if (!user.compareAndSet(null, opened)) {
            throw new VfioException(Errno.EBUSY, address() + " is in use; close it where it is open first");
        }
        // Checked after taking the function: a removal that comes later finds the user and closes it.
        if (removed) {
            user.set(null);
            throw new VfioException(Errno.ENODEV, address() + " has been removed from the simulated bus");
        }
        try {
            model.attach(memory);
        } catch (RuntimeException e) {
            user.set(null);
            throw e;
        }
        return opened;
    }

    /** Takes the function away from its user, if it has one, and lets nobody open it again. */
    void remove() {
        removed = true;
        OpenFunction opened = user.get();
        if (opened != null) {
            opened.close();
        }
    }

    @Override
    public String toString() {
        return address() + " " + ids().id();
    }

    private void released(OpenFunction opened) {
        user.compareAndSet(opened, null);
    }
}
