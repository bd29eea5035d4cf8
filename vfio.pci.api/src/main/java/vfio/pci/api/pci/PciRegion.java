package vfio.pci.api.pci;

/** Region indexes of a PCI device ({@code VFIO_PCI_*_REGION_INDEX}). Device-specific regions follow from {@link #COUNT}. */
public final class PciRegion {
    /** Base address registers are regions 0 to 5. */
    public static final int BAR0 = 0;

    public static final int BAR1 = 1;
    public static final int BAR2 = 2;
    public static final int BAR3 = 3;
    public static final int BAR4 = 4;
    public static final int BAR5 = 5;

    /** Expansion ROM. */
    public static final int ROM = 6;

    /** Configuration space. */
    public static final int CONFIG = 7;

    /** Legacy VGA ranges. */
    public static final int VGA = 8;

    /** Number of regions that every PCI device has. */
    public static final int COUNT = 9;

    private static final String[] NAMES = {"BAR0", "BAR1", "BAR2", "BAR3", "BAR4", "BAR5", "ROM", "CONFIG", "VGA"};

    private PciRegion() {}

    /** The name of a region: BAR0 to BAR5, ROM, CONFIG, VGA, or {@code region N} for a device-specific one. */
    public static String name(int region) {
        return region >= 0 && region < COUNT ? NAMES[region] : "region " + region;
    }
}
