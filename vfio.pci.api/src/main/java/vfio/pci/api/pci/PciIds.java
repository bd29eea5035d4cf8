package vfio.pci.api.pci;

/**
 * The identity of a PCI function, as read from its configuration space.
 *
 * @param vendor vendor id, 16 bits
 * @param device device id, 16 bits
 * @param subsystemVendor subsystem vendor id, 16 bits
 * @param subsystem subsystem id, 16 bits
 * @param classCode base class, subclass and programming interface, 24 bits
 * @param revision revision id, 8 bits
 */
public record PciIds(int vendor, int device, int subsystemVendor, int subsystem, int classCode, int revision) {
    /** Vendor and device as {@code vvvv:dddd}, lower-case hexadecimal. */
    public String id() {
        return hex4(vendor) + ":" + hex4(device);
    }

    /** A 16-bit number as four lower-case hexadecimal digits, the form used in service properties. */
    public static String hex4(int value) {
        return String.format("%04x", value & 0xffff);
    }
}
