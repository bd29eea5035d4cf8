package vfio.pci.api.manage;

/** What the user of a device knows beyond what every user knows. */
public enum ClientFeature {
    /**
     * Dynamic trap: unmaps disablable areas, or may map them again, when interrupt {@link
     * vfio.pci.api.pci.PciInterrupt#TRAP_CHANGED} says that the layout has changed, and confirms by unmasking it.
     */
    DYNAMIC_TRAP
}
