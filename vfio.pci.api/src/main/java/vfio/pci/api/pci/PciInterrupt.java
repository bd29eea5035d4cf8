package vfio.pci.api.pci;

/** Interrupt indexes of a PCI device ({@code VFIO_PCI_*_IRQ_INDEX}). */
public final class PciInterrupt {
    public static final int INTX = 0;
    public static final int MSI = 1;
    public static final int MSIX = 2;

    /** An uncorrectable error was reported for the device. */
    public static final int ERR = 3;

    /** The user is asked to give the device back. */
    public static final int REQ = 4;

    /** Number of interrupt indexes that every PCI device has. */
    public static final int COUNT = 5;

    /**
     * Device-specific, one vector, masks itself: the layout of disablable areas has changed, regions must be looked at again.
     * Unmasking it says that the user has done so. Present for users that know dynamic trap only.
     */
    public static final int TRAP_CHANGED = COUNT;

    private static final String[] NAMES = {"INTx", "MSI", "MSI-X", "ERR", "REQ", "TRAP"};

    private PciInterrupt() {}

    /** The name of an interrupt type. */
    public static String name(int index) {
        return index >= 0 && index < NAMES.length ? NAMES[index] : "interrupt " + index;
    }
}
