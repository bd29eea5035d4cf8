package vfio.sim.xl710;

/**
 * The protocols above IP that the device computes and verifies checksums of, in the order of L4T in a transmit descriptor.
 */
enum L4Protocol {
    /** None of those below. */
    NONE(-1, 0, 0, 0),
    TCP(6, 16, Short.BYTES, 20),
    SCTP(132, 8, Integer.BYTES, 12),
    UDP(17, 6, Short.BYTES, 8);

    private static final L4Protocol[] CODES = values();

    private final int number;
    private final int checksumOffset;
    private final int checksumEnd;
    private final int minimumHeader;

    L4Protocol(int number, int checksumOffset, int checksumWidth, int minimumHeader) {
        this.number = number;
        this.checksumOffset = checksumOffset;
        this.checksumEnd = checksumOffset + checksumWidth;
        this.minimumHeader = minimumHeader;
    }

    /** The protocol of a descriptor; only the lowest two bits of the code count. */
    static L4Protocol ofCode(int code) {
        return CODES[code & 3];
    }

    /** The number in an IP header; -1 for {@link #NONE}. */
    int number() {
        return number;
    }

    /** Where the checksum is, in bytes from the beginning of the header. */
    int checksumOffset() {
        return checksumOffset;
    }

    /** Where the checksum ends, in bytes from the beginning of the header. */
    int checksumEnd() {
        return checksumEnd;
    }

    /** Bytes of a header without options. */
    int minimumHeader() {
        return minimumHeader;
    }
}
