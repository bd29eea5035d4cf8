package vfio.iavf;

/** Layout of a 32-byte RX descriptor, as the driver writes it and as the device writes it back. */
final class ReceiveDescriptor {
    static final int SIZE = 32;

    /** Address of the buffer; written back: L2TAG1 and the hash. */
    static final int QUADWORD_0 = 0;
    /** Zero; written back: status, errors, packet type, length. */
    static final int QUADWORD_1 = 8;

    static final int QUADWORD_2 = 16;
    static final int QUADWORD_3 = 24;

    static final long STATUS_DD = 1;
    static final long STATUS_EOP = 1L << 1;
    static final long STATUS_L3L4P = 1L << 3;
    static final int STATUS_UMBCAST_SHIFT = 9;
    static final long STATUS_UMBCAST_MASK = 3;
    static final int STATUS_FLTSTAT_SHIFT = 12;
    static final long STATUS_FLTSTAT_MASK = 3;
    static final long FLTSTAT_RSS_HASH = 3;
    static final long STATUS_LPBK = 1L << 14;
    static final long STATUS_IPV6EXADD = 1L << 15;
    static final long ERROR_IPE = 1L << 22;
    static final long ERROR_L4E = 1L << 23;

    static final int PTYPE_SHIFT = 30;
    static final long PTYPE_MASK = 0xff;
    static final int LENGTH_SHIFT = 38;
    static final long LENGTH_MASK = (1 << 14) - 1;

    static final int HASH_SHIFT = 32;

    /** In quadword 2: there is a second tag. */
    static final long EXT_L2TAG2P = 1;

    /** What may be set at the end of a frame, as long as no VLAN, tunnel, filter or split was asked for. */
    static final long ALLOWED_AT_END = STATUS_DD
            | STATUS_EOP
            | STATUS_L3L4P
            | (STATUS_UMBCAST_MASK << STATUS_UMBCAST_SHIFT)
            | (STATUS_FLTSTAT_MASK << STATUS_FLTSTAT_SHIFT)
            | STATUS_LPBK
            | STATUS_IPV6EXADD
            | ERROR_IPE
            | ERROR_L4E
            | (PTYPE_MASK << PTYPE_SHIFT)
            | (LENGTH_MASK << LENGTH_SHIFT);

    /** What may be set before the end of a frame. */
    static final long ALLOWED_BEFORE_END = STATUS_DD | (PTYPE_MASK << PTYPE_SHIFT) | (LENGTH_MASK << LENGTH_SHIFT);

    private ReceiveDescriptor() {}

    static int length(long quadword1) {
        return (int) ((quadword1 >>> LENGTH_SHIFT) & LENGTH_MASK);
    }
}
