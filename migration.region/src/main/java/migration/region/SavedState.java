package migration.region;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciIds;

/**
 * The state of a device on its way from one place to another, as bytes that say for what they are. The format is specified in
 * {@code docs/stream.md}.
 *
 * <p>Decoding is strict: what is cut off, has a flipped bit, comes twice or out of order, or does not end is refused as a whole,
 * with a sentence that names what is wrong. Nothing takes effect before all of it has been read.
 *
 * @param origin of what device and driver it is
 * @param sections in the order in which they are to be loaded
 */
public record SavedState(Origin origin, List<Section> sections) {
    /** The longest stream that is read, in bytes. */
    public static final int LENGTH_MAXIMUM = 64 << 20;

    /** The longest name of a driver or of a section, in bytes of UTF-8. */
    public static final int NAME_MAXIMUM = 64;

    /**
     * Where a state comes from.
     *
     * @param ids of the device
     * @param driver name of whoever wrote it, up to {@value #NAME_MAXIMUM} bytes
     * @param schema version of its sections, counted from 1
     * @param pageSize bytes of a page where it comes from, a power of two
     */
    public record Origin(PciIds ids, String driver, int schema, int pageSize) {
        /** Refuses what cannot be written. */
        public Origin {
            checkName("driver", driver);
            if (schema < 1 || Integer.bitCount(pageSize) != 1) {
                throw new VfioException(
                        Errno.EINVAL, "schema " + schema + " or page size " + pageSize + " of a state makes no sense");
            }
        }

        /**
         * Why a state from elsewhere cannot be loaded here, as a sentence; empty if it can.
         *
         * @param other where it comes from
         */
        public Optional<String> objection(Origin other) {
            if (!ids.equals(other.ids)) {
                return Optional.of("it is the state of a device " + text(other.ids) + ", and this is " + text(ids));
            }
            if (!driver.equals(other.driver)) {
                return Optional.of("it was written by driver " + other.driver + ", and this is " + driver);
            }
            if (schema < other.schema) {
                return Optional.of("it has version " + other.schema + " of the format of " + driver
                        + ", and here no version above " + schema + " is known");
            }
            if (pageSize != other.pageSize) {
                return Optional.of("its pages have " + other.pageSize + " bytes, and here they have " + pageSize);
            }
            return Optional.empty();
        }
    }

    /**
     * A part of the state.
     *
     * @param name tells it from others of the same state, up to {@value #NAME_MAXIMUM} bytes
     * @param optional whether somebody who does not know it may pass over it
     * @param content belongs to the driver; not copied
     */
    @SuppressWarnings("ArrayRecordComponent")
    public record Section(String name, boolean optional, byte[] content) {
        /** Refuses what cannot be written. */
        public Section {
            checkName("section", name);
        }
    }

    /** Copies the list. */
    public SavedState {
        sections = List.copyOf(sections);
        Set<String> names = new HashSet<>();
        for (Section section : sections) {
            if (!names.add(section.name)) {
                throw new VfioException(Errno.EINVAL, "section " + section.name + " comes twice");
            }
        }
    }

    /**
     * The section with a name.
     *
     * @throws VfioException EINVAL if there is none
     */
    public byte[] section(String name) {
        return sections.stream()
                .filter(section -> section.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new VfioException(Errno.EINVAL, "the state has no section " + name))
                .content;
    }

    /**
     * Refuses sections that nobody here knows, unless they are optional.
     *
     * @param known names of the sections that are understood
     * @throws VfioException EINVAL that names the section
     */
    public void requireKnown(Set<String> known) {
        for (Section section : sections) {
            if (!section.optional && !known.contains(section.name)) {
                throw new VfioException(
                        Errno.EINVAL, "the state has a section " + section.name + ", which is not known here");
            }
        }
    }

    /**
     * The bytes, from position to limit.
     *
     * @throws VfioException EOVERFLOW if there are more than {@value #LENGTH_MAXIMUM}
     */
    public ByteBuffer encode() {
        return StateCodec.encode(this);
    }

    /**
     * Reads a state.
     *
     * @param bytes all of it, from position to limit; unchanged
     * @throws VfioException EPROTO with a sentence that says what is wrong, EOVERFLOW if there are more than {@value
     *     #LENGTH_MAXIMUM}
     */
    public static SavedState decode(ByteBuffer bytes) {
        return StateCodec.decode(bytes);
    }

    private static String text(PciIds ids) {
        return "%s (subsystem %04x:%04x, class %06x, revision %02x)"
                .formatted(ids.id(), ids.subsystemVendor(), ids.subsystem(), ids.classCode(), ids.revision());
    }

    private static void checkName(String what, String name) {
        int length = name.getBytes(StandardCharsets.UTF_8).length;
        if (length < 1 || length > NAME_MAXIMUM) {
            throw new VfioException(
                    Errno.EINVAL,
                    "the name of a " + what + " has 1 to " + NAME_MAXIMUM + " bytes, and this one " + length);
        }
    }
}
