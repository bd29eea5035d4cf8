package vfio.sim.xl710;

import java.nio.ByteBuffer;

/**
 * Where the headers of a frame are and what they say. Reused from frame to frame: {@link #parse} says all of it anew.
 *
 * <p>What does not lie within the frame, or contradicts itself, is not taken for IP, or not for TCP, UDP or SCTP; any bytes
 * may be parsed. Up to two VLAN tags are passed over. Offsets are those of the buffer.
 */
final class FrameHeaders {
    private static final int ETHERNET_HEADER = 14;
    private static final int ETHERTYPE = 12;
    private static final int TAG = 4;
    private static final int MOST_TAGS = 2;
    private static final int ETHERTYPE_IPV4 = 0x0800;
    private static final int ETHERTYPE_IPV6 = 0x86dd;
    private static final int ETHERTYPE_VLAN = 0x8100;
    private static final int ETHERTYPE_SERVICE_VLAN = 0x88a8;

    private static final int IPV4_HEADER = 20;
    private static final int IPV4_TOTAL_LENGTH = 2;
    private static final int IPV4_FRAGMENT = 6;
    /** More fragments, and the fragment offset. */
    private static final int IPV4_IS_FRAGMENT = 0x3fff;

    private static final int IPV4_PROTOCOL = 9;

    private static final int IPV6_HEADER = 40;
    private static final int IPV6_PAYLOAD_LENGTH = 4;
    private static final int IPV6_NEXT_HEADER = 6;

    private static final int HOP_BY_HOP_OPTIONS = 0;
    private static final int ROUTING = 43;
    private static final int FRAGMENT = 44;
    private static final int AUTHENTICATION = 51;
    private static final int DESTINATION_OPTIONS = 60;
    private static final int MOBILITY = 135;
    private static final int SHORTEST_EXTENSION = 8;
    /** Frames with more are not worth the time: what is behind them counts as an unknown protocol. */
    private static final int MOST_EXTENSIONS = 8;

    private static final int NO_PROTOCOL = -1;
    private static final long BROADCAST = 0xffff_ffff_ffffL;
    private static final long GROUP = 0x0100_0000_0000L;

    private static final L4Protocol[] PROTOCOLS = {L4Protocol.TCP, L4Protocol.UDP, L4Protocol.SCTP};

    private int offset;
    private long destination;
    private int ipVersion;
    private int ipOffset;
    private int l4Offset;
    private int end;
    private int protocolNumber;
    private L4Protocol protocol = L4Protocol.NONE;
    private boolean fragment;
    private boolean extended;

    /**
     * Reads the headers of a frame.
     *
     * @param bytes big-endian
     * @param offset of the destination address
     * @param length bytes of the frame
     */
    void parse(ByteBuffer bytes, int offset, int length) {
        int frameEnd = offset + length;
        this.offset = offset;
        destination = 0;
        ipVersion = 0;
        ipOffset = frameEnd;
        l4Offset = frameEnd;
        end = frameEnd;
        protocolNumber = NO_PROTOCOL;
        protocol = L4Protocol.NONE;
        fragment = false;
        extended = false;
        if (length < ETHERNET_HEADER) {
            return;
        }
        destination = bytes.getLong(offset) >>> Short.SIZE;
        int type = unsignedShort(bytes, offset + ETHERTYPE);
        int at = offset + ETHERNET_HEADER;
        for (int tags = 0; isTag(type) && tags < MOST_TAGS && at + TAG <= frameEnd; tags++) {
            type = unsignedShort(bytes, at + Short.BYTES);
            at += TAG;
        }
        if (type == ETHERTYPE_IPV4) {
            parseIpv4(bytes, at, frameEnd);
        } else if (type == ETHERTYPE_IPV6) {
            parseIpv6(bytes, at, frameEnd);
        }
    }

    /** The destination address, its first byte in bits 40 to 47. */
    long destination() {
        return destination;
    }

    boolean isBroadcast() {
        return destination == BROADCAST;
    }

    /** Whether the destination is a group of stations, all of them included. */
    boolean isMulticast() {
        return (destination & GROUP) != 0;
    }

    /** 4, 6 or, if the frame holds no IP header worth the name, 0. */
    int ipVersion() {
        return ipVersion;
    }

    /** Of the destination address. */
    int offset() {
        return offset;
    }

    /** Of the IP header. */
    int ipOffset() {
        return ipOffset;
    }

    /** Of what follows the IP header and its extension headers. */
    int l4Offset() {
        return l4Offset;
    }

    /** Bytes from {@link #l4Offset()} to the end of the datagram. */
    int l4Length() {
        return end - l4Offset;
    }

    /** The number of the protocol above IP; -1 if there is none. Also known of fragments. */
    int protocolNumber() {
        return protocolNumber;
    }

    /** TCP, UDP or SCTP, if it is one of them, whole and with a whole header. */
    L4Protocol protocol() {
        return protocol;
    }

    /** Whether the datagram is only a part of what was sent. */
    boolean isFragment() {
        return fragment;
    }

    /** Whether extension headers follow the IPv6 header. */
    boolean isExtended() {
        return extended;
    }

    private void parseIpv4(ByteBuffer bytes, int ip, int frameEnd) {
        if (ip + IPV4_HEADER > frameEnd || version(bytes, ip) != 4) {
            return;
        }
        int header = (bytes.get(ip) & 0xf) * Integer.BYTES;
        int total = unsignedShort(bytes, ip + IPV4_TOTAL_LENGTH);
        if (header < IPV4_HEADER || total < header || ip + total > frameEnd) {
            return;
        }
        ipVersion = 4;
        ipOffset = ip;
        l4Offset = ip + header;
        end = ip + total;
        fragment = (bytes.getShort(ip + IPV4_FRAGMENT) & IPV4_IS_FRAGMENT) != 0;
        identify(bytes.get(ip + IPV4_PROTOCOL) & 0xff);
    }

    private void parseIpv6(ByteBuffer bytes, int ip, int frameEnd) {
        if (ip + IPV6_HEADER > frameEnd || version(bytes, ip) != 6) {
            return;
        }
        int payload = unsignedShort(bytes, ip + IPV6_PAYLOAD_LENGTH);
        if (ip + IPV6_HEADER + payload > frameEnd) {
            return;
        }
        ipVersion = 6;
        ipOffset = ip;
        end = ip + IPV6_HEADER + payload;
        int next = bytes.get(ip + IPV6_NEXT_HEADER) & 0xff;
        int at = ip + IPV6_HEADER;
        for (int count = 0; isExtension(next) && !fragment; count++) {
            extended = true;
            if (count == MOST_EXTENSIONS || at + SHORTEST_EXTENSION > end) {
                next = NO_PROTOCOL;
                break;
            }
            int length = extensionLength(next, bytes.get(at + 1) & 0xff);
            if (at + length > end) {
                next = NO_PROTOCOL;
                break;
            }
            fragment = next == FRAGMENT;
            next = bytes.get(at) & 0xff;
            at += length;
        }
        l4Offset = at;
        identify(next);
    }

    private void identify(int number) {
        protocolNumber = number;
        if (fragment) {
            return;
        }
        for (L4Protocol candidate : PROTOCOLS) {
            if (candidate.number() == number && l4Length() >= candidate.minimumHeader()) {
                protocol = candidate;
            }
        }
    }

    private static boolean isTag(int type) {
        return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN;
    }

    private static boolean isExtension(int number) {
        return switch (number) {
            case HOP_BY_HOP_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY -> true;
            default -> false;
        };
    }

    /** The length of an extension header, which tells it in units of its own, fragment headers excepted. */
    private static int extensionLength(int number, int units) {
        return switch (number) {
            case FRAGMENT -> SHORTEST_EXTENSION;
            case AUTHENTICATION -> (units + 2) * Integer.BYTES;
            default -> (units + 1) * Long.BYTES;
        };
    }

    private static int version(ByteBuffer bytes, int ip) {
        return (bytes.get(ip) & 0xf0) >>> 4;
    }

    private static int unsignedShort(ByteBuffer bytes, int index) {
        return bytes.getShort(index) & 0xffff;
    }
}
