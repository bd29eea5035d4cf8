package vfio.pci.api.device;

import java.util.Set;

/**
 * What a user may know about one type of interrupt ({@code struct vfio_irq_info}). Immutable.
 *
 * @param index interrupt index
 * @param count number of interrupts (vectors) of this type; 0 if the type is not implemented
 * @param flags how it behaves
 */
public record InterruptInfo(int index, int count, Set<Flag> flags) {
    /** Behaviour of an interrupt type; bits as in {@code VFIO_IRQ_INFO_*}. */
    public enum Flag {
        /** Can signal an eventfd. */
        EVENTFD(1),
        /** Can be masked and unmasked. */
        MASKABLE(1 << 1),
        /** Masks itself when it fires. */
        AUTOMASKED(1 << 2),
        /** Vectors are set up as a set; to add one, disable the index first. */
        NORESIZE(1 << 3);

        private final int bit;

        Flag(int bit) {
            this.bit = bit;
        }

        /** The bit in the {@code flags} word. */
        public int bit() {
            return bit;
        }
    }

    /** Copies the flags. */
    public InterruptInfo {
        flags = Set.copyOf(flags);
    }

    /** A type that is not implemented. */
    public static InterruptInfo absent(int index) {
        return new InterruptInfo(index, 0, Set.of());
    }

    /** Whether the flag is set. */
    public boolean is(Flag flag) {
        return flags.contains(flag);
    }
}
