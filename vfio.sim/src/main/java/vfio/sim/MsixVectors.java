package vfio.sim;

import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.pci.PciInterrupt;
import vfio.sim.xl710.Vectors;

/** The MSI-X vectors in an {@link InterruptTable}. */
record MsixVectors(InterruptTable interrupts) implements Vectors {
    @Override
    public void fire(int vector) {
        interrupts.fire(PciInterrupt.MSIX, vector);
    }

    @Override
    public void fireConnected() {
        int count = interrupts.interruptInfo(PciInterrupt.MSIX).count();
        interrupts.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, count);
    }

    @Override
    public void hold() {
        interrupts.hold(PciInterrupt.MSIX);
    }

    @Override
    public void release() {
        interrupts.release(PciInterrupt.MSIX);
    }

    @Override
    public int pending() {
        return (int) interrupts.pendingBits(PciInterrupt.MSIX, 0);
    }

    @Override
    public void restorePending(int pending) {
        interrupts.restore(PciInterrupt.MSIX, pending);
    }
}
