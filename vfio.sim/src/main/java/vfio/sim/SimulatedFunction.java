package vfio.sim;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A simulated function as the rest of the system sees it. Its state belongs to the {@link DeviceModel} and outlives close. */
final class SimulatedFunction implements PciDevice {
    private final DeviceModel model;
    private final @Nullable PciAddress physicalFunction;
    private final int virtualFunctionNumber;
    private final AtomicReference<@Nullable OpenFunction> user = new AtomicReference<>();
    private final AtomicBoolean powered = new AtomicBoolean(true);
    private volatile boolean removed;

    private SimulatedFunction(DeviceModel model, @Nullable PciAddress physicalFunction, int number) {
        this.model = model;
        this.physicalFunction = physicalFunction;
        this.virtualFunctionNumber = number;
    }

    /** A function that is not virtual. */
    static SimulatedFunction physical(DeviceModel model) {
        return new SimulatedFunction(model, null, -1);
    }

    /** A virtual function of this one. */
    SimulatedFunction virtual(PciAddress virtual, int number, SharedMemory.Factory memory) {
        return new SimulatedFunction(model.virtualFunction(virtual, number, memory), address(), number);
    }

    DeviceModel model() {
        return model;
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
        int vfs = model.virtualFunctions();
        return vfs == 0
                ? Optional.empty()
                : Optional.of(address() + " has " + vfs + (vfs == 1 ? " virtual function" : " virtual functions")
                        + "; assign one of those, or give it none with sim:vfs " + address() + " 0");
    }

    @Override
    public Hardware open(DmaSpace memory) {
        OpenFunction opened = new OpenFunction(model, this::released);
        if (!user.compareAndSet(null, opened)) {
            throw new VfioException(Errno.EBUSY, address() + " is in use; close it where it is open first");
        }
        boolean complete = false;
        try {
            // Checked after taking the function: a removal, or virtual functions, that come later find the user.
            requireAvailable();
            model.attach(memory);
            complete = true;
            return opened;
        } finally {
            if (!complete) {
                user.set(null);
            }
        }
    }

    /**
     * Changes how many virtual functions it has.
     *
     * @throws VfioException EBUSY if it would have some while somebody has it open
     */
    void setVirtualFunctions(int count) {
        int before = model.virtualFunctions();
        model.setVirtualFunctions(count);
        if (count > 0 && user.get() != null) {
            model.setVirtualFunctions(before);
            throw new VfioException(
                    Errno.EBUSY,
                    address() + " is in use itself; it can have virtual functions when it has been closed");
        }
    }

    /** Takes the function away from its user, if it has one, and lets nobody open it again. */
    void remove() {
        removed = true;
        OpenFunction opened = user.get();
        if (opened != null) {
            opened.close();
        }
        if (powered.getAndSet(false)) {
            model.powerOff();
        }
    }

    @Override
    public String toString() {
        return address() + " " + ids().id();
    }

    private void requireAvailable() {
        if (removed) {
            throw new VfioException(Errno.ENODEV, address() + " has been removed from the simulated bus");
        }
        unassignableReason().ifPresent(reason -> {
            throw new VfioException(Errno.EPERM, reason);
        });
    }

    private void released(OpenFunction opened) {
        user.compareAndSet(opened, null);
    }
}
