package vfio.pci.api.pci;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The address of a PCI function, written {@code DDDD:BB:dd.f} in hexadecimal as in sysfs.
 *
 * @param domain 0 to 0xffff
 * @param bus 0 to 0xff
 * @param device 0 to 0x1f
 * @param function 0 to 7
 */
public record PciAddress(int domain, int bus, int device, int function) implements Comparable<PciAddress> {
    private static final Pattern FORM =
            Pattern.compile("([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\\.([0-7])", Pattern.CASE_INSENSITIVE);

    /** Checks the ranges. */
    public PciAddress {
        if ((domain & ~0xffff) != 0 || (bus & ~0xff) != 0 || (device & ~0x1f) != 0 || (function & ~7) != 0) {
            throw new IllegalArgumentException(
                    "no PCI address: " + domain + ":" + bus + ":" + device + "." + function + " (out of range)");
        }
    }

    /**
     * Reads an address.
     *
     * @param text for example {@code 0000:03:02.0}
     * @throws IllegalArgumentException if it is not of that form
     */
    public static PciAddress parse(String text) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("'" + text + "' is not a PCI address; write it like 0000:03:02.0");
        }
        return new PciAddress(
                Integer.parseInt(matcher.group(1), 16),
                Integer.parseInt(matcher.group(2), 16),
                Integer.parseInt(matcher.group(3), 16),
                Integer.parseInt(matcher.group(4), 16));
    }

    /** Bus, device and function as one 16-bit number. */
    public int routingId() {
        return bus << 8 | device << 3 | function;
    }

    /** The address in the same domain with the given 16-bit routing id. */
    public PciAddress withRoutingId(int routingId) {
        return new PciAddress(domain, routingId >> 8, routingId >> 3 & 0x1f, routingId & 7);
    }

    @Override
    public int compareTo(PciAddress other) {
        return Integer.compareUnsigned(domain << 16 | routingId(), other.domain << 16 | other.routingId());
    }

    @Override
    public String toString() {
        return String.format("%04x:%02x:%02x.%x", domain, bus, device, function);
    }
}
