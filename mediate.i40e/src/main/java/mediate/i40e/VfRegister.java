package mediate.i40e;

import java.util.Arrays;

/**
 * Registers of BAR0 that are part of the state of a virtual function, in the order in which they are saved and loaded. Each has 4
 * bytes. Names as in the Linux {@code iavf_register.h}.
 *
 * <p>VFINT_ICR01 is not among them: reading it clears it. VFGEN_RSTAT can only be read.
 */
enum VfRegister {
    VF_ATQBAL1(0x7c00, 1),
    VF_ATQBAH1(0x7800, 1),
    VF_ATQLEN1(0x6800, 1),
    VF_ATQH1(0x6400, 1),
    VF_ATQT1(0x8400, 1),
    VF_ARQBAL1(0x6c00, 1),
    VF_ARQBAH1(0x6000, 1),
    VF_ARQLEN1(0x8000, 1),
    VF_ARQH1(0x7400, 1),
    VF_ARQT1(0x7000, 1),
    QTX_TAIL1(0x0000, 16),
    QRX_TAIL1(0x2000, 16),
    /** Before the throttle intervals, one of which a write of it may set. */
    VFINT_DYN_CTL01(0x5c00, 1, ~Control.TRIGGERS),
    VFINT_DYN_CTLN1(0x3800, 16, ~Control.TRIGGERS),
    VFINT_ITR01(0x4c00, 3),
    VFINT_ITRN1(0x2800, 48),
    VFINT_STAT_CTL01(0x5400, 1),
    VFINT_ICR0_ENA1(0x5000, 1),
    VFQF_HENA(0xc400, 2),
    VFQF_HKEY(0xcc00, 13),
    VFQF_HLUT(0xd000, 16);

    /** Bits of VF_ATQLEN1 and VF_ARQLEN1. */
    static final int ENABLE = 1 << 31;

    /** The entries of an admin queue, and an index of one. */
    static final int AQ_MASK = 0x3ff;

    /** An index of a descriptor of a queue. */
    static final int TAIL_MASK = 0x1fff;

    /** Bytes of all values together. */
    static final int TOTAL_SIZE =
            Arrays.stream(values()).mapToInt(register -> register.count).sum() * Integer.BYTES;

    private final int offset;
    private final int count;
    private final int loaded;

    /** Bits of VFINT_DYN_CTL01 and VFINT_DYN_CTLN1. */
    private static final class Control {
        static final int CLEARPBA = 1 << 1;
        static final int SWINT_TRIG = 1 << 2;
        static final int INTENA_MSK = 1 << 31;

        /** What does something once, rather than being kept. */
        static final int TRIGGERS = CLEARPBA | SWINT_TRIG | INTENA_MSK;
    }

    VfRegister(int offset, int count) {
        this(offset, count, -1);
    }

    VfRegister(int offset, int count, int loaded) {
        this.offset = offset;
        this.count = count;
        this.loaded = loaded;
    }

    /** Where one of them is in BAR0. */
    int at(int index) {
        return offset + index * Integer.BYTES;
    }

    int count() {
        return count;
    }

    /** The value that brings a saved value back. */
    int loaded(int saved) {
        return saved & loaded;
    }

    /** Whether an access touches one of them. */
    boolean isTouchedBy(long from, int length) {
        return from < offset + (long) count * Integer.BYTES && from + length > offset;
    }
}
