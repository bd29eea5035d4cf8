package vfio.shell;

import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import vfio.pci.api.pci.PciRegion;

/** What people write for numbers and regions. */
final class Arguments {
    private static final List<Integer> WIDTHS = List.of(1, 2, 4, 8);

    private Arguments() {}

    /**
     * A number of up to 64 bits, unsigned.
     *
     * @param what names the argument in an error
     * @param text decimal, or hexadecimal after {@code 0x}
     */
    static long number(String what, String text) {
        String lower = text.toLowerCase(Locale.ROOT);
        try {
            return lower.startsWith("0x")
                    ? Long.parseUnsignedLong(lower.substring(2), 16)
                    : Long.parseUnsignedLong(lower);
        } catch (NumberFormatException e) {
            throw new CommandException(
                    "'" + text + "' is no " + what + ": write a number like 4096 or 0x1000, up to 64 bits");
        }
    }

    /** How many there shall be of something. */
    static int count(String what, String text) {
        if (!text.matches("[0-9]{1,9}")) {
            throw new CommandException("'" + text + "' is no number of " + what + ": write one like 4");
        }
        return Integer.parseInt(text);
    }

    /** The width of an access in bytes. */
    static int width(String text) {
        long width = number("width", text);
        if (!WIDTHS.contains((int) width) || width != (int) width) {
            throw new CommandException("'" + text + "' is no width: it is 1, 2, 4 or 8 bytes");
        }
        return (int) width;
    }

    /** A value that fits in a width. */
    static long value(String text, int width) {
        long value = number("value", text);
        if (width < Long.BYTES && value >>> (width * Byte.SIZE) != 0) {
            throw new CommandException(
                    text + " does not fit in " + width + (width == 1 ? " byte" : " bytes") + "; give a larger width");
        }
        return value;
    }

    /**
     * A region index.
     *
     * @param text a name such as {@code bar0}, or an index
     * @param count number of regions of the device
     */
    static int region(String text, int count) {
        for (int region = 0; region < Math.min(count, PciRegion.COUNT); region++) {
            if (PciRegion.name(region).equalsIgnoreCase(text)) {
                return region;
            }
        }
        if (text.chars().allMatch(Character::isDigit) && !text.isEmpty()) {
            long region = number("region", text);
            if (region >= 0 && region < count) {
                return (int) region;
            }
        }
        throw new CommandException("'" + text + "' is no region: it is one of " + String.join(", ", regionNames())
                + ", or an index from 0 to " + (count - 1));
    }

    /** The regions that have names, as people write them. */
    static List<String> regionNames() {
        return IntStream.range(0, PciRegion.COUNT)
                .mapToObj(region -> PciRegion.name(region).toLowerCase(Locale.ROOT))
                .toList();
    }

    /** A value with all digits of its width. */
    static String hex(long value, int width) {
        return String.format("0x%0" + 2 * width + "x", value);
    }
}
