package vfio.pci.repository;

import java.util.List;
import java.util.regex.Pattern;
import vfio.pci.api.mediate.Mediates;
import vfio.pci.api.pci.PciIds;

/**
 * The devices that a bundle says it can mediate: a capability {@value Mediates#NAMESPACE}.
 *
 * @param vendor vendor id, four lower-case hexadecimal digits
 * @param devices device ids; none means any
 * @param classCode the first digits of the class code; empty means any
 */
record Offer(String vendor, List<String> devices, String classCode) {
    private static final Pattern ID = Pattern.compile("[0-9a-f]{4}");
    private static final Pattern CLASS = Pattern.compile("([0-9a-f]{2}){0,3}");

    Offer {
        devices = List.copyOf(devices);
    }

    /** Reads a capability. */
    static Offer of(Clause capability) throws InvalidBundleException {
        Offer offer = new Offer(
                capability.attribute("vendor").orElse(""),
                capability.attributes().getOrDefault("device", List.of()),
                capability.attribute("class").orElse(""));
        check("vendor", offer.vendor, ID, "four lower-case hexadecimal digits");
        for (String device : offer.devices) {
            check("device", device, ID, "four lower-case hexadecimal digits");
        }
        check("class", offer.classCode, CLASS, "two, four or six lower-case hexadecimal digits");
        return offer;
    }

    boolean matches(PciIds ids) {
        return PciIds.hex4(ids.vendor()).equals(vendor)
                && (devices.isEmpty() || devices.contains(PciIds.hex4(ids.device())))
                && String.format("%06x", ids.classCode()).startsWith(classCode);
    }

    private static void check(String attribute, String value, Pattern form, String expected)
            throws InvalidBundleException {
        if (!form.matcher(value).matches()) {
            throw InvalidBundleException.wrongManifest("its capability " + Mediates.NAMESPACE + " has " + attribute
                    + " '" + value + "', which must be " + expected);
        }
    }

    /** For people: {@code 8086:154c,1571} or {@code 8086 class 03}. */
    @Override
    public String toString() {
        return vendor
                + (devices.isEmpty() ? "" : ":" + String.join(",", devices))
                + (classCode.isEmpty() ? "" : " class " + classCode);
    }
}
