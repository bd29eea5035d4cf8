package vfio.sim.xl710;

/**
 * What the descriptors of a packet ask the device to do with it. Reused from packet to packet: {@link #clear()} it, then say
 * what is asked for. Lengths are bytes, as claimed by the driver; {@link TransmitOffload} checks them.
 */
final class TransmitRequest {
    private TransmitIpType ipType = TransmitIpType.NONE;
    private L4Protocol l4Protocol = L4Protocol.NONE;
    private int macLength;
    private int ipLength;
    private int l4Length;
    private boolean segmented;
    private int payloadLength;
    private int segmentSize;

    /** Asks for nothing but to send the frame. */
    void clear() {
        headers(0, 0, 0);
        checksums(TransmitIpType.NONE, L4Protocol.NONE);
        segmented = false;
        payloadLength = 0;
        segmentSize = 0;
    }

    /** The lengths of the headers: MACLEN, IPLEN and L4LEN, all in bytes. */
    void headers(int mac, int ip, int l4) {
        macLength = mac;
        ipLength = ip;
        l4Length = l4;
    }

    /** The checksums to insert: IIPT and L4T. */
    void checksums(TransmitIpType ip, L4Protocol l4) {
        ipType = ip;
        l4Protocol = l4;
    }

    /**
     * Asks for segmentation.
     *
     * @param payload bytes behind the headers, TLEN
     * @param mss bytes of it in each segment, MSS
     */
    void segmentation(int payload, int mss) {
        segmented = true;
        payloadLength = payload;
        segmentSize = mss;
    }

    TransmitIpType ipType() {
        return ipType;
    }

    L4Protocol l4Protocol() {
        return l4Protocol;
    }

    int macLength() {
        return macLength;
    }

    int ipLength() {
        return ipLength;
    }

    int l4Length() {
        return l4Length;
    }

    boolean isSegmented() {
        return segmented;
    }

    int payloadLength() {
        return payloadLength;
    }

    int segmentSize() {
        return segmentSize;
    }

    @Override
    public String toString() {
        String headers = "headers " + macLength + "+" + ipLength + "+" + l4Length + ", " + ipType + ", " + l4Protocol;
        return segmented ? headers + ", " + payloadLength + " bytes in segments of " + segmentSize : headers;
    }
}
