package vfio.itest.guest;

import java.nio.ByteBuffer;
import java.util.Arrays;
import vfio.iavf.MacAddress;

/** Frames for tests, and checksums computed the slow way, two bytes at a time. */
final class Packet {
    static final int MAC_LENGTH = 14;
    static final int IPV4_LENGTH = 20;
    static final int IPV6_LENGTH = 40;
    static final int TCP_LENGTH = 20;
    static final int UDP_LENGTH = 8;
    static final int TCP = 6;
    static final int UDP = 17;

    static final int FIN = 0x01;
    static final int PSH = 0x08;
    static final int ACK = 0x10;
    static final int CWR = 0x80;

    static final int IDENTIFICATION = 0x4455;
    static final int SEQUENCE = 0x7fff_ff00;

    private static final int LOCAL_EXPERIMENTAL = 0x88b5;
    private static final int SHORTEST = 60;

    private Packet() {}

    /** A frame of no protocol, with content that depends on a number. */
    static byte[] plain(MacAddress destination, MacAddress source, int size, int number) {
        byte[] frame = new byte[size];
        for (int index = MAC_LENGTH; index < size; index++) {
            frame[index] = (byte) (index * 7 + number * 13 + (index >>> 8));
        }
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        destination.put(bytes, 0);
        source.put(bytes, MacAddress.SIZE);
        bytes.putShort(12, (short) LOCAL_EXPERIMENTAL);
        if (size >= MAC_LENGTH + Integer.BYTES) {
            bytes.putInt(MAC_LENGTH, number);
        }
        return frame;
    }

    /** What arrives of a frame: not less than Ethernet's minimum. */
    static byte[] padded(byte[] frame) {
        return frame.length < SHORTEST ? Arrays.copyOf(frame, SHORTEST) : frame;
    }

    /**
     * A frame with IPv4 or IPv6, and UDP or TCP, all checksums right.
     *
     * @param flow makes addresses and ports
     */
    static byte[] transport(
            MacAddress destination, MacAddress source, int version, int protocol, int payloadLength, int flow) {
        int network = version == 4 ? IPV4_LENGTH : IPV6_LENGTH;
        int header = protocol == TCP ? TCP_LENGTH : UDP_LENGTH;
        byte[] frame = plain(destination, source, MAC_LENGTH + network + header + payloadLength, flow);
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int segment = header + payloadLength;
        int at = MAC_LENGTH;
        Arrays.fill(frame, at, at + network + header, (byte) 0);
        if (version == 4) {
            bytes.putShort(12, (short) 0x0800)
                    .putShort(at, (short) 0x4500)
                    .putShort(at + 2, (short) (network + segment))
                    .putShort(at + 4, (short) IDENTIFICATION)
                    .putShort(at + 6, (short) 0x4000)
                    .put(at + 8, (byte) 64)
                    .put(at + 9, (byte) protocol)
                    .putInt(at + 12, 0x0a00_0001 + flow)
                    .putInt(at + 16, 0x0a01_0002);
            bytes.putShort(at + 10, (short) ~sum(frame, at, network, 0));
        } else {
            bytes.putShort(12, (short) 0x86dd)
                    .putInt(at, 0x6000_0000)
                    .putShort(at + 4, (short) segment)
                    .put(at + 6, (byte) protocol)
                    .put(at + 7, (byte) 64)
                    .putLong(at + 8, 0xfd00_0000_0000_0001L)
                    .putLong(at + 16, flow + 1)
                    .putLong(at + 24, 0xfd00_0000_0000_0002L)
                    .putLong(at + 32, 2);
        }
        int transport = at + network;
        bytes.putShort(transport, (short) (1024 + flow)).putShort(transport + 2, (short) 5001);
        if (protocol == TCP) {
            bytes.putInt(transport + 4, SEQUENCE)
                    .putInt(transport + 8, 0x0102_0304)
                    .put(transport + 12, (byte) ((TCP_LENGTH / 4) << 4))
                    .put(transport + 13, (byte) (FIN | PSH | ACK | CWR))
                    .putShort(transport + 14, (short) 0x7000);
        } else {
            bytes.putShort(transport + 4, (short) segment);
        }
        bytes.putShort(checksumField(frame), (short) ~transportSum(frame));
        return frame;
    }

    /** The same frame as a stack hands it to a device that computes checksums. */
    static byte[] unfinished(byte[] finished, boolean segmented) {
        byte[] frame = finished.clone();
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int pseudo = pseudoSum(frame, segmented ? 0 : transportLength(frame));
        bytes.putShort(checksumField(frame), (short) pseudo);
        if (isIpv4(frame)) {
            bytes.putShort(MAC_LENGTH + 10, (short) 0);
            if (segmented) {
                bytes.putShort(MAC_LENGTH + 2, (short) 0);
            }
        } else if (segmented) {
            bytes.putShort(MAC_LENGTH + 4, (short) 0);
        }
        return frame;
    }

    /** Whether lengths and checksums of network and transport header are right. */
    static boolean isSound(byte[] frame) {
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int behind = frame.length - MAC_LENGTH;
        boolean network = isIpv4(frame)
                ? bytes.getShort(MAC_LENGTH + 2) == behind && sum(frame, MAC_LENGTH, IPV4_LENGTH, 0) == 0xffff
                : bytes.getShort(MAC_LENGTH + 4) == behind - IPV6_LENGTH;
        return network && transportSum(frame) == 0xffff;
    }

    static int payloadOffset(byte[] frame) {
        return MAC_LENGTH
                + (isIpv4(frame) ? IPV4_LENGTH : IPV6_LENGTH)
                + (protocol(frame) == TCP ? TCP_LENGTH : UDP_LENGTH);
    }

    static int transportOffset(byte[] frame) {
        return MAC_LENGTH + (isIpv4(frame) ? IPV4_LENGTH : IPV6_LENGTH);
    }

    private static boolean isIpv4(byte[] frame) {
        return frame[12] == 0x08;
    }

    private static int protocol(byte[] frame) {
        return frame[MAC_LENGTH + (isIpv4(frame) ? 9 : 6)];
    }

    private static int checksumField(byte[] frame) {
        return transportOffset(frame) + (protocol(frame) == TCP ? 16 : 6);
    }

    private static int transportLength(byte[] frame) {
        return frame.length - transportOffset(frame);
    }

    private static int transportSum(byte[] frame) {
        return sum(frame, transportOffset(frame), transportLength(frame), pseudoSum(frame, transportLength(frame)));
    }

    private static int pseudoSum(byte[] frame, int length) {
        int addresses = isIpv4(frame) ? 8 : 32;
        return sum(frame, transportOffset(frame) - addresses, addresses, protocol(frame) + length);
    }

    /** One's complement sum, folded to 16 bits. */
    private static int sum(byte[] bytes, int from, int length, int start) {
        int sum = start;
        for (int index = 0; index < length; index++) {
            int value = bytes[from + index] & 0xff;
            sum += index % 2 == 0 ? value << 8 : value;
        }
        while (sum >>> 16 != 0) {
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        return sum;
    }
}
