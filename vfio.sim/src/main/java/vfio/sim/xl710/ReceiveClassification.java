package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * What a receive descriptor tells the driver about a frame: kind of destination, packet type, checksums.
 *
 * <p>L3L4P, "checksums were looked at", is set only if all checksums of the packet type were verified, or computed here on
 * transmission. Not verified are TCP, UDP and SCTP behind IPv6 extension headers, which may change the addresses that count,
 * and UDP over IPv6 without checksum. ICMP is never verified. One thread at a time.
 */
final class ReceiveClassification {
    /** L3L4P: IP and L4 headers were processed. */
    static final long STATUS_L3L4P = 1L << 3;

    /** UMBCAST: the destination is a group. */
    static final long STATUS_MULTICAST = 1L << 9;

    /** UMBCAST: the destination is everybody. */
    static final long STATUS_BROADCAST = 2L << 9;

    /** IPV6EXADD: there are extension headers. */
    static final long STATUS_IPV6EXADD = 1L << 15;

    /** INT_UDP_0: a UDP header without checksum. */
    static final long STATUS_UDP_0 = 1L << 18;

    /** IPE: the checksum of the IPv4 header is wrong. */
    static final long ERROR_IPE = 1L << 22;

    /** L4E: the checksum of TCP, UDP or SCTP is wrong. */
    static final long ERROR_L4E = 1L << 23;

    /** Where the packet type begins. */
    static final int PTYPE_SHIFT = 30;

    static final int PTYPE_MAC = 1;
    static final int PTYPE_IPV4 = 22;
    static final int PTYPE_IPV6 = 88;
    static final int PTYPE_FRAGMENT = 0;
    static final int PTYPE_OTHER = 1;
    static final int PTYPE_UDP = 2;
    static final int PTYPE_TCP = 4;
    static final int PTYPE_SCTP = 5;
    static final int PTYPE_ICMP = 6;

    private static final int ICMP = 1;
    private static final int ICMPV6 = 58;
    private static final int UDP_LENGTH = 4;
    private static final int ALL_ONES = 0xffff;

    private final CRC32C crc = new CRC32C();

    /**
     * Looks at a frame.
     *
     * @param bytes what the headers were parsed from; its position and limit are changed meanwhile
     * @param l4Computed whether the L4 checksum is right without looking, see {@link TransmitOffload#computed}
     * @return bits of quadword 1 of the descriptor: UMBCAST, L3L4P, IPV6EXADD, INT_UDP_0, IPE, L4E and PTYPE; all others 0
     */
    long classify(ByteBuffer bytes, FrameHeaders headers, boolean l4Computed) {
        long bits = (long) packetType(headers) << PTYPE_SHIFT;
        if (headers.isMulticast()) {
            bits |= headers.isBroadcast() ? STATUS_BROADCAST : STATUS_MULTICAST;
        }
        if (headers.ipVersion() == 0) {
            return bits;
        }
        if (headers.isExtended()) {
            bits |= STATUS_IPV6EXADD;
        }
        if (headers.ipVersion() == 4 && !isIpv4HeaderRight(bytes, headers)) {
            bits |= ERROR_IPE;
        }
        return bits | l4Status(bytes, headers, l4Computed);
    }

    private static int packetType(FrameHeaders headers) {
        if (headers.ipVersion() == 0) {
            return PTYPE_MAC;
        }
        int base = headers.ipVersion() == 4 ? PTYPE_IPV4 : PTYPE_IPV6;
        if (headers.isFragment()) {
            return base + PTYPE_FRAGMENT;
        }
        return base
                + switch (headers.protocol()) {
                    case NONE ->
                        headers.protocolNumber() == (headers.ipVersion() == 4 ? ICMP : ICMPV6)
                                ? PTYPE_ICMP
                                : PTYPE_OTHER;
                    case TCP -> PTYPE_TCP;
                    case SCTP -> PTYPE_SCTP;
                    case UDP -> PTYPE_UDP;
                };
    }

    private static boolean isIpv4HeaderRight(ByteBuffer bytes, FrameHeaders headers) {
        int ip = headers.ipOffset();
        return InternetChecksum.sum(bytes, ip, headers.l4Offset() - ip) == ALL_ONES;
    }

    private long l4Status(ByteBuffer bytes, FrameHeaders headers, boolean computed) {
        if (headers.protocol() == L4Protocol.NONE || computed) {
            return STATUS_L3L4P;
        }
        if (headers.isExtended()) {
            return 0;
        }
        return switch (headers.protocol()) {
            case NONE -> STATUS_L3L4P;
            case TCP -> verdict(isSumRight(bytes, headers, headers.l4Length()));
            case SCTP -> verdict(isCrcRight(bytes, headers));
            case UDP -> udpStatus(bytes, headers);
        };
    }

    private static long udpStatus(ByteBuffer bytes, FrameHeaders headers) {
        int udp = headers.l4Offset();
        if (bytes.getShort(udp + L4Protocol.UDP.checksumOffset()) == 0) {
            return headers.ipVersion() == 4 ? STATUS_L3L4P | STATUS_UDP_0 : STATUS_UDP_0;
        }
        int length = bytes.getShort(udp + UDP_LENGTH) & 0xffff;
        return verdict(length >= L4Protocol.UDP.minimumHeader()
                && length <= headers.l4Length()
                && isSumRight(bytes, headers, length));
    }

    private static boolean isSumRight(ByteBuffer bytes, FrameHeaders headers, int length) {
        int sum = PseudoHeader.sum(bytes, headers.ipVersion(), headers.ipOffset(), headers.protocol(), length);
        return InternetChecksum.add(sum, InternetChecksum.sum(bytes, headers.l4Offset(), length)) == ALL_ONES;
    }

    private boolean isCrcRight(ByteBuffer bytes, FrameHeaders headers) {
        int sctp = headers.l4Offset();
        int field = sctp + L4Protocol.SCTP.checksumOffset();
        int received = bytes.getInt(field);
        bytes.putInt(field, 0);
        int expected = SctpChecksum.compute(crc, bytes, sctp, headers.l4Length());
        bytes.putInt(field, received);
        return received == expected;
    }

    private static long verdict(boolean right) {
        return right ? STATUS_L3L4P : STATUS_L3L4P | ERROR_L4E;
    }
}
