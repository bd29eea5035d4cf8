package vfio.sim.xl710;

/** What a transmit descriptor says of the IP header, in the order of IIPT. */
enum TransmitIpType {
    NONE(0),
    IPV6(40),
    IPV4(20),
    /** The device computes the checksum of the header. */
    IPV4_WITH_CHECKSUM(20);

    private static final TransmitIpType[] CODES = values();

    private final int minimumHeader;

    TransmitIpType(int minimumHeader) {
        this.minimumHeader = minimumHeader;
    }

    /** The type of a descriptor; only the lowest two bits of the code count. */
    static TransmitIpType ofCode(int code) {
        return CODES[code & 3];
    }

    /** Bytes of a header without options. */
    int minimumHeader() {
        return minimumHeader;
    }
}
