package vfio.sim.xl710;

import java.nio.ByteBuffer;

/** What TCP and UDP checksums cover of the IP header: addresses, protocol and length (RFC 9293, RFC 768, RFC 8200). */
final class PseudoHeader {
    private static final int IPV4_SOURCE = 12;
    private static final int IPV4_ADDRESSES = 8;
    private static final int IPV6_SOURCE = 8;
    private static final int IPV6_ADDRESSES = 32;

    private PseudoHeader() {}

    /**
     * The sum of a pseudo-header.
     *
     * @param ipVersion 4 or 6
     * @param ip where the IP header begins
     * @param length bytes of header and data of the protocol
     */
    static int sum(ByteBuffer bytes, int ipVersion, int ip, L4Protocol protocol, int length) {
        int addresses = ipVersion == 4
                ? InternetChecksum.sum(bytes, ip + IPV4_SOURCE, IPV4_ADDRESSES)
                : InternetChecksum.sum(bytes, ip + IPV6_SOURCE, IPV6_ADDRESSES);
        return InternetChecksum.add(addresses, protocol.number() + length);
    }
}
