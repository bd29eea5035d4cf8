package vfio.sim.xl710;

/**
 * The registers of a virtual function in BAR0, all of them 32 bits wide and little-endian; what is not listed is storage
 * without a meaning. Names as in the Intel documentation and the Linux {@code iavf_register.h}.
 */
public enum VfRegister {
    /** Index behind the last posted transmit descriptor, by queue. */
    QTX_TAIL1(0x0000, 16, Access.DOORBELL),
    /** Index behind the last posted receive descriptor, by queue. */
    QRX_TAIL1(0x2000, 16, Access.DOORBELL),
    /** Throttle interval of vectors 1 to 16: three blocks of 16, one for each ITR index. */
    VFINT_ITRN1(0x2800, 48, Access.STORAGE),
    /** Control of vectors 1 to 16. */
    VFINT_DYN_CTLN1(0x3800, 16, Access.CONTROL),
    /** Causes of vector 0; reading clears them. */
    VFINT_ICR01(0x4800, 1, Access.CLEAR_ON_READ),
    /** Throttle interval of vector 0, by ITR index. */
    VFINT_ITR01(0x4c00, 3, Access.STORAGE),
    /** Which causes raise vector 0. */
    VFINT_ICR0_ENA1(0x5000, 1, Access.CONTROL),
    /** ITR index of other causes. */
    VFINT_STAT_CTL01(0x5400, 1, Access.STORAGE),
    /** Control of vector 0. */
    VFINT_DYN_CTL01(0x5c00, 1, Access.CONTROL),
    /** High half of the address of the admin receive queue. */
    VF_ARQBAH1(0x6000, 1, Access.STORAGE),
    /** Head of the admin transmit queue. */
    VF_ATQH1(0x6400, 1, Access.STORAGE),
    /** Length and state of the admin transmit queue. */
    VF_ATQLEN1(0x6800, 1, Access.STORAGE),
    /** Low half of the address of the admin receive queue. */
    VF_ARQBAL1(0x6c00, 1, Access.STORAGE),
    /** Tail of the admin receive queue. */
    VF_ARQT1(0x7000, 1, Access.DOORBELL),
    /** Head of the admin receive queue. */
    VF_ARQH1(0x7400, 1, Access.STORAGE),
    /** High half of the address of the admin transmit queue. */
    VF_ATQBAH1(0x7800, 1, Access.STORAGE),
    /** Low half of the address of the admin transmit queue. */
    VF_ATQBAL1(0x7c00, 1, Access.STORAGE),
    /** Length and state of the admin receive queue. */
    VF_ARQLEN1(0x8000, 1, Access.STORAGE),
    /** Tail of the admin transmit queue. */
    VF_ATQT1(0x8400, 1, Access.DOORBELL),
    /** State of the reset, which only the device writes. */
    VFGEN_RSTAT(0x8800, 1, Access.READ_ONLY, 2),
    /** Types of packets that are hashed. Storage: what counts is said by virtchnl. */
    VFQF_HENA(0xc400, 2, Access.STORAGE),
    /** Key of the hash. Storage: what counts is said by virtchnl. */
    VFQF_HKEY(0xcc00, 13, Access.STORAGE),
    /** Lookup table of the hash. Storage: what counts is said by virtchnl. */
    VFQF_HLUT(0xd000, 16, Access.STORAGE);

    private static final int WIDTH = 4;

    private final int offset;
    private final int count;
    private final Access access;
    private final int reset;

    /** What an access does. */
    public enum Access {
        /** Keeps what is written. */
        STORAGE,
        /** Keeps what is written, and the device looks at it; it finds out by itself what is written to mapped memory. */
        DOORBELL,
        /** Keeps what the device writes. */
        READ_ONLY,
        /** Reading clears it, writing does nothing. Mapped memory cannot do that, so the page stays trapped. */
        CLEAR_ON_READ,
        /** Writing does what mapped memory cannot do, so the page stays trapped. */
        CONTROL
    }

    VfRegister(int offset, int count, Access access) {
        this(offset, count, access, 0);
    }

    VfRegister(int offset, int count, Access access, int reset) {
        this.offset = offset;
        this.count = count;
        this.access = access;
        this.reset = reset;
    }

    /** Byte offset of the first in BAR0. */
    public int offset() {
        return offset;
    }

    /** Byte offset of one of several in BAR0. */
    public int at(int index) {
        if (index < 0 || index >= count) {
            throw new IndexOutOfBoundsException(this + " has no number " + index);
        }
        return offset + WIDTH * index;
    }

    /** How many there are, one after the other. */
    public int count() {
        return count;
    }

    /** What an access does. */
    public Access access() {
        return access;
    }

    /** The value after a reset. */
    public int reset() {
        return reset;
    }
}
