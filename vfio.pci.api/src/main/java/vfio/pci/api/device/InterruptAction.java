package vfio.pci.api.device;

/** What can happen to an interrupt ({@code VFIO_IRQ_SET_ACTION_*}). */
public enum InterruptAction {
    /** The interrupt is withheld; what arrives stays pending. */
    MASK(1 << 3),
    /** The interrupt is let through again; what is pending is delivered. */
    UNMASK(1 << 4),
    /** The interrupt fires. */
    TRIGGER(1 << 5);

    private final int bit;

    InterruptAction(int bit) {
        this.bit = bit;
    }

    /** The bit in the {@code flags} word of {@code struct vfio_irq_set}. */
    public int bit() {
        return bit;
    }
}
