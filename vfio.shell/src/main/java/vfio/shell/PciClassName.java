package vfio.shell;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Names of PCI classes, as in the PCI Code and ID Assignment Specification. */
final class PciClassName {
    private static final Map<Integer, String> BASE_CLASSES = Map.ofEntries(
            Map.entry(0x01, "mass storage controller"),
            Map.entry(0x02, "network controller"),
            Map.entry(0x03, "display controller"),
            Map.entry(0x04, "multimedia device"),
            Map.entry(0x05, "memory controller"),
            Map.entry(0x06, "bridge"),
            Map.entry(0x07, "communication controller"),
            Map.entry(0x08, "system peripheral"),
            Map.entry(0x09, "input device"),
            Map.entry(0x0b, "processor"),
            Map.entry(0x0c, "serial bus controller"),
            Map.entry(0x0d, "wireless controller"),
            Map.entry(0x10, "encryption controller"),
            Map.entry(0x11, "signal processing controller"),
            Map.entry(0x12, "processing accelerator"));

    /** Base class and subclass. */
    private static final Map<Integer, String> SUBCLASSES = Map.ofEntries(
            Map.entry(0x0100, "SCSI controller"),
            Map.entry(0x0106, "SATA controller"),
            Map.entry(0x0108, "NVM controller"),
            Map.entry(0x0200, "Ethernet controller"),
            Map.entry(0x0207, "InfiniBand controller"),
            Map.entry(0x0300, "VGA controller"),
            Map.entry(0x0302, "3D controller"),
            Map.entry(0x0403, "audio device"),
            Map.entry(0x0c03, "USB controller"));

    private PciClassName() {}

    /**
     * What a function is.
     *
     * @param classCode base class, subclass and programming interface
     */
    static String of(int classCode) {
        @Nullable String subclass = SUBCLASSES.get(classCode >> 8);
        if (subclass != null) {
            return subclass;
        }
        return BASE_CLASSES.getOrDefault(classCode >> 16, String.format("class %06x", classCode));
    }
}
