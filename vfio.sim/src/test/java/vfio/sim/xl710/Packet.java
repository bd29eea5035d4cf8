package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A packet as its parts, and what it looks like on the wire and on the way to a device with offloads. Everything is computed
 * byte by byte and bit by bit: slow, and independent of the code under test.
 */
final class Packet {
    static final int FIN = 0x01;
    static final int PSH = 0x08;
    static final int ACK = 0x10;
    static final int CWR = 0x80;

    private static final int DESTINATION_OPTIONS = 60;
    private static final int OTHER_PROTOCOL = 253;

    private final int tags;
    private final boolean ipv6;
    private final int extra;
    private final L4Protocol protocol;
    private final int options;
    private final int identification;
    private final int sequence;
    private final int flags;
    private final byte[] payload;

    /**
     * @param tags VLAN tags
     * @param extra bytes of IPv4 options, a multiple of 4, or of an IPv6 destination options header, a multiple of 8
     * @param options bytes of TCP options, a multiple of 4
     */
    Packet(
            int tags,
            boolean ipv6,
            int extra,
            L4Protocol protocol,
            int options,
            int identification,
            int sequence,
            int flags,
            byte[] payload) {
        this.tags = tags;
        this.ipv6 = ipv6;
        this.extra = extra;
        this.protocol = protocol;
        this.options = options;
        this.identification = identification;
        this.sequence = sequence;
        this.flags = flags;
        this.payload = payload;
    }

    static Packet of(boolean ipv6, L4Protocol protocol, int payload) {
        return new Packet(0, ipv6, 0, protocol, 0, 0xfffe, 0xffff_ff00, ACK, pattern(payload));
    }

    static byte[] pattern(int length) {
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++) {
            bytes[index] = (byte) (index * 31 + (index >> 8));
        }
        return bytes;
    }

    boolean isIpv6() {
        return ipv6;
    }

    L4Protocol protocol() {
        return protocol;
    }

    int macLength() {
        return 14 + 4 * tags;
    }

    int ipLength() {
        return (ipv6 ? 40 : 20) + extra;
    }

    int l4Length() {
        return switch (protocol) {
            case NONE -> 0;
            case TCP -> 20 + options;
            case SCTP -> 12;
            case UDP -> 8;
        };
    }

    int headers() {
        return macLength() + ipLength() + l4Length();
    }

    TransmitRequest request() {
        TransmitRequest request = new TransmitRequest();
        request.headers(macLength(), ipLength(), l4Length());
        request.checksums(ipv6 ? TransmitIpType.IPV6 : TransmitIpType.IPV4_WITH_CHECKSUM, protocol);
        return request;
    }

    TransmitRequest request(int mss) {
        TransmitRequest request = request();
        request.segmentation(payload.length, mss);
        return request;
    }

    /** With right checksums, without padding. */
    byte[] onWire() {
        byte[] frame = withoutL4Checksum();
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int l4 = macLength() + ipLength();
        int field = l4 + protocol.checksumOffset();
        if (protocol == L4Protocol.SCTP) {
            bytes.putInt(field, Integer.reverseBytes(crc32c(frame, l4)));
        } else if (protocol != L4Protocol.NONE) {
            int length = bytes.capacity() - l4;
            int checksum = ~add(pseudoHeader(length), slowSum(frame, l4, bytes.capacity())) & 0xffff;
            bytes.putShort(field, (short) (protocol == L4Protocol.UDP && checksum == 0 ? 0xffff : checksum));
        }
        return frame;
    }

    /** As Linux hands it to a device that inserts checksums: the field holds the sum of the pseudo-header. */
    byte[] withPseudoHeader() {
        byte[] frame = withoutL4Checksum();
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int l4 = macLength() + ipLength();
        if (protocol == L4Protocol.TCP || protocol == L4Protocol.UDP) {
            bytes.putShort(l4 + protocol.checksumOffset(), (short) pseudoHeader(bytes.capacity() - l4));
        }
        return frame;
    }

    /** As Linux hands it to a device that segments: the sum is without length, and so is the IP header. */
    byte[] forSegmentation() {
        byte[] frame = withoutL4Checksum();
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int ip = macLength();
        if (ipv6) {
            bytes.putShort(ip + 4, (short) 0);
        } else {
            bytes.putShort(ip + 2, (short) 0).putShort(ip + 10, (short) 0);
        }
        bytes.putShort(ip + ipLength() + L4Protocol.TCP.checksumOffset(), (short) pseudoHeader(0));
        return frame;
    }

    /** What must go onto the wire. */
    List<byte[]> segments(int mss) {
        List<byte[]> segments = new ArrayList<>();
        for (int done = 0; done < payload.length; done += mss) {
            int size = Math.min(mss, payload.length - done);
            byte[] part = new byte[size];
            System.arraycopy(payload, done, part, 0, size);
            int segmentFlags = flags;
            if (done > 0) {
                segmentFlags &= ~CWR;
            }
            if (done + size < payload.length) {
                segmentFlags &= ~(FIN | PSH);
            }
            Packet segment = new Packet(
                    tags,
                    ipv6,
                    extra,
                    protocol,
                    options,
                    identification + segments.size(),
                    sequence + done,
                    segmentFlags,
                    part);
            segments.add(padded(segment.onWire()));
        }
        return segments;
    }

    static byte[] padded(byte[] frame) {
        return Arrays.copyOf(frame, Math.max(60, frame.length));
    }

    @Override
    public String toString() {
        return tags + " tags, " + (ipv6 ? "IPv6+" : "IPv4+") + extra + ", " + protocol + "+" + options + ", flags "
                + flags + ", " + payload.length + " bytes";
    }

    private byte[] withoutL4Checksum() {
        byte[] frame = new byte[headers() + payload.length];
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        bytes.put(new byte[] {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2});
        for (int tag = 0; tag < tags; tag++) {
            bytes.putShort((short) (tag == 0 && tags == 2 ? 0x88a8 : 0x8100)).putShort((short) (100 + tag));
        }
        int number = protocol == L4Protocol.NONE ? OTHER_PROTOCOL : protocol.number();
        if (ipv6) {
            putIpv6(bytes, number);
        } else {
            putIpv4(frame, bytes, number);
        }
        putL4(bytes);
        bytes.put(payload);
        return frame;
    }

    private void putIpv4(byte[] frame, ByteBuffer bytes, int number) {
        int ip = bytes.putShort((short) 0x0800).position();
        int length = ipLength() + l4Length() + payload.length;
        bytes.put((byte) (0x40 | (ipLength() / 4))).put((byte) 0).putShort((short) length);
        bytes.putShort((short) identification).putShort((short) 0x4000);
        bytes.put((byte) 64).put((byte) number).putShort((short) 0);
        bytes.put(addresses()).put(ones(extra));
        bytes.putShort(ip + 10, (short) ~slowSum(frame, ip, ip + ipLength()));
    }

    private void putIpv6(ByteBuffer bytes, int number) {
        bytes.putShort((short) 0x86dd).putInt(0x6001_2345);
        bytes.putShort((short) (extra + l4Length() + payload.length));
        bytes.put((byte) (extra > 0 ? DESTINATION_OPTIONS : number)).put((byte) 64);
        bytes.put(addresses());
        if (extra > 0) {
            bytes.put((byte) number).put((byte) (extra / 8 - 1));
            bytes.put((byte) 1).put((byte) (extra - 4)).put(new byte[extra - 4]);
        }
    }

    private void putL4(ByteBuffer bytes) {
        switch (protocol) {
            case NONE -> {}
            case TCP -> {
                bytes.putShort((short) 40000)
                        .putShort((short) 443)
                        .putInt(sequence)
                        .putInt(0x1234_5678);
                bytes.put((byte) (l4Length() << 2)).put((byte) flags).putShort((short) 0xfaf0);
                bytes.putShort((short) 0).putShort((short) 0).put(ones(options));
            }
            case SCTP ->
                bytes.putShort((short) 40000)
                        .putShort((short) 443)
                        .putInt(0xcafe_f00d)
                        .putInt(0);
            case UDP ->
                bytes.putShort((short) 40000)
                        .putShort((short) 443)
                        .putShort((short) (8 + payload.length))
                        .putShort((short) 0);
        }
    }

    private byte[] addresses() {
        byte[] addresses = new byte[ipv6 ? 32 : 8];
        for (int index = 0; index < addresses.length; index++) {
            addresses[index] = (byte) (0xfd - 17 * index);
        }
        return addresses;
    }

    private int pseudoHeader(int length) {
        byte[] addresses = addresses();
        return add(
                add(slowSum(addresses, 0, addresses.length), length >>> 16), add(length & 0xffff, protocol.number()));
    }

    /** Padding of options: NOP in IPv4 and TCP. */
    private static byte[] ones(int length) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) 1);
        return bytes;
    }

    private static int slowSum(byte[] bytes, int from, int to) {
        int sum = 0;
        for (int index = from; index < to; index++) {
            sum = add(sum, (bytes[index] & 0xff) << ((index - from) % 2 == 0 ? 8 : 0));
        }
        return sum;
    }

    private static int add(int sum, int other) {
        int result = sum + other;
        return result > 0xffff ? result - 0xffff : result;
    }

    private static int crc32c(byte[] bytes, int from) {
        int crc = -1;
        for (int index = from; index < bytes.length; index++) {
            crc ^= bytes[index] & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >>> 1) ^ ((crc & 1) == 0 ? 0 : 0x82f6_3b78);
            }
        }
        return ~crc;
    }
}
