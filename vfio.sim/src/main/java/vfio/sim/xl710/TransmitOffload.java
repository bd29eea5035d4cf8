package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Makes of a packet in memory the frames that go onto the wire: inserts checksums, cuts TCP into segments, pads.
 *
 * <p>TCP and UDP checksums begin with what the driver left in the field, the sum of the pseudo-header; for segments that is
 * the sum without the length. SCTP has a CRC32c and no pseudo-header. A frame whose IP header tells an end within the frame
 * is summed up to there, any other to its own end, so padding by the driver does no harm.
 *
 * <p>Segments are made in place: each gets its headers directly in front of its payload, over payload that has been sent
 * already. The packet is no more what it was when this returns. Nothing is allocated. One thread at a time.
 */
final class TransmitOffload {
    /** Bytes that a buffer must have behind a packet, for padding. */
    static final int ROOM = 60;

    /** The shortest frame on the wire, without frame check sequence; the device pads up to it. */
    static final int MINIMUM_FRAME = 60;

    /** The longest frame on the wire, without frame check sequence. */
    static final int MAXIMUM_FRAME = 9724;

    /** Shorter packets are a fault of the driver: {@code IAVF_MIN_TX_LEN}. */
    static final int MINIMUM_PACKET = 17;

    static final int MINIMUM_SEGMENT_SIZE = 64;
    static final int MAXIMUM_SEGMENT_SIZE = 9668;
    static final int MAXIMUM_SEGMENT_HEADER = 256;

    /** The longest packet before segmentation: TLEN has 18 bits. */
    static final int MAXIMUM_PACKET = MAXIMUM_SEGMENT_HEADER + 0x3_ffff;

    private static final int ETHERNET_HEADER = 14;
    private static final int IPV4_LENGTH = 2;
    private static final int IPV4_IDENTIFICATION = 4;
    private static final int IPV4_CHECKSUM = 10;
    private static final int IPV6_LENGTH = 4;
    private static final int TCP_SEQUENCE = 4;
    private static final int TCP_FLAGS = 13;
    private static final int TCP_FIN = 0x01;
    private static final int TCP_PSH = 0x08;
    private static final int TCP_CWR = 0x80;

    private static final int UDP_LENGTH = 4;

    private final CRC32C crc = new CRC32C();
    private final byte[] header = new byte[MAXIMUM_SEGMENT_HEADER];

    /** Of the frame that is being sent: whether its L4 checksum is right, if the headers are what the request says. */
    private boolean computed;

    private L4Protocol computedProtocol = L4Protocol.NONE;
    private int computedVersion;
    private int computedIp;
    private int computedL4;
    private int computedLength;

    /**
     * Sends a packet, if its request makes sense; does nothing otherwise.
     *
     * @param frame big-endian; {@link #ROOM} bytes behind the packet are used, too
     * @param offset of the destination address
     * @param length bytes of the packet
     * @param sink gets the frames, in order
     * @return whether the packet was sent; false is a malicious driver event
     * @throws IndexOutOfBoundsException if packet and room do not lie within the buffer
     */
    boolean send(TransmitRequest request, ByteBuffer frame, int offset, int length, FrameSink sink) {
        Objects.checkFromIndexSize(offset, length, frame.limit() - ROOM);
        if (!fits(request, length)) {
            return false;
        }
        computed = false;
        computedProtocol = request.l4Protocol();
        computedVersion = request.ipType() == TransmitIpType.IPV6 ? 6 : 4;
        computedIp = request.macLength();
        computedL4 = request.macLength() + request.ipLength();
        if (request.isSegmented()) {
            sendSegments(request, frame, offset, sink);
        } else {
            insertChecksums(request, frame, offset, length);
            emit(frame, offset, length, sink);
        }
        return true;
    }

    /**
     * Whether the L4 checksum of the frame that the sink has is known to be right because it was computed here: where it
     * belongs, over what it covers, and beginning with the sum of the right pseudo-header. To be asked by the sink.
     *
     * @param headers those of the frame
     */
    boolean computed(FrameHeaders headers) {
        return computed
                && headers.protocol() == computedProtocol
                && headers.ipVersion() == computedVersion
                && headers.ipOffset() - headers.offset() == computedIp
                && headers.l4Offset() - headers.offset() == computedL4
                && headers.l4Length() == computedLength
                && !headers.isExtended();
    }

    private static boolean fits(TransmitRequest request, int length) {
        return length >= MINIMUM_PACKET
                && length <= MAXIMUM_PACKET
                && headersFit(request, length)
                && (request.isSegmented() ? segmentsFit(request, length) : length <= MAXIMUM_FRAME);
    }

    private static boolean headersFit(TransmitRequest request, int length) {
        L4Protocol protocol = request.l4Protocol();
        if (request.ipType() == TransmitIpType.NONE) {
            return protocol == L4Protocol.NONE;
        }
        return request.macLength() >= ETHERNET_HEADER
                && request.macLength() <= length
                && request.ipLength() >= request.ipType().minimumHeader()
                && request.ipLength() <= length
                && request.l4Length() >= 0
                && request.l4Length() <= length
                && request.macLength() + request.ipLength() + Math.max(request.l4Length(), protocol.checksumEnd())
                        <= length;
    }

    private static boolean segmentsFit(TransmitRequest request, int length) {
        int headers = request.macLength() + request.ipLength() + request.l4Length();
        int payload = request.payloadLength();
        int size = request.segmentSize();
        return (request.ipType() == TransmitIpType.IPV6 || request.ipType() == TransmitIpType.IPV4_WITH_CHECKSUM)
                && request.l4Protocol() == L4Protocol.TCP
                && request.l4Length() >= L4Protocol.TCP.minimumHeader()
                && headers <= MAXIMUM_SEGMENT_HEADER
                && size >= MINIMUM_SEGMENT_SIZE
                && size <= MAXIMUM_SEGMENT_SIZE
                && payload > 0
                && payload == length - headers
                && headers + Math.min(size, payload) <= MAXIMUM_FRAME;
    }

    private void insertChecksums(TransmitRequest request, ByteBuffer frame, int offset, int length) {
        int ip = offset + request.macLength();
        int l4 = ip + request.ipLength();
        if (request.ipType() == TransmitIpType.IPV4_WITH_CHECKSUM) {
            insertIpv4Checksum(frame, ip, request.ipLength());
        }
        L4Protocol protocol = request.l4Protocol();
        if (protocol == L4Protocol.NONE) {
            return;
        }
        int end = endOfDatagram(request, frame, ip, offset + length);
        if (end < l4 + protocol.checksumEnd()) {
            end = offset + length;
        }
        computedLength = end - l4;
        if (protocol == L4Protocol.SCTP) {
            computed = true;
            insertCrc(frame, l4, end - l4);
        } else {
            computed = holdsPseudoHeader(frame, ip, l4, end - l4)
                    && (protocol != L4Protocol.UDP || unsignedShort(frame, l4 + UDP_LENGTH) == end - l4);
            insertSum(protocol, frame, l4, InternetChecksum.sum(frame, l4, end - l4));
        }
    }

    /** Whether the checksum field holds the sum of the pseudo-header. */
    private boolean holdsPseudoHeader(ByteBuffer frame, int ip, int l4, int length) {
        int sum = PseudoHeader.sum(frame, computedVersion, ip, computedProtocol, length);
        int field = unsignedShort(frame, l4 + computedProtocol.checksumOffset());
        return InternetChecksum.isSame(sum, field);
    }

    private static int endOfDatagram(TransmitRequest request, ByteBuffer frame, int ip, int end) {
        int length = request.ipType() == TransmitIpType.IPV6
                ? TransmitIpType.IPV6.minimumHeader() + unsignedShort(frame, ip + IPV6_LENGTH)
                : unsignedShort(frame, ip + IPV4_LENGTH);
        return Math.min(end, ip + length);
    }

    private static void insertIpv4Checksum(ByteBuffer frame, int ip, int length) {
        frame.putShort(ip + IPV4_CHECKSUM, (short) 0);
        int sum = InternetChecksum.sum(frame, ip, length);
        frame.putShort(ip + IPV4_CHECKSUM, (short) InternetChecksum.checksum(sum));
    }

    /** Stores a checksum; the field has been summed together with everything else. */
    private static void insertSum(L4Protocol protocol, ByteBuffer frame, int l4, int sum) {
        int checksum = InternetChecksum.checksum(sum);
        if (checksum == 0 && protocol == L4Protocol.UDP) {
            // 0 says that there is none.
            checksum = 0xffff;
        }
        frame.putShort(l4 + protocol.checksumOffset(), (short) checksum);
    }

    private void insertCrc(ByteBuffer frame, int l4, int length) {
        int field = l4 + L4Protocol.SCTP.checksumOffset();
        frame.putInt(field, 0);
        frame.putInt(field, SctpChecksum.compute(crc, frame, l4, length));
    }

    private void sendSegments(TransmitRequest request, ByteBuffer frame, int offset, FrameSink sink) {
        int headers = request.macLength() + request.ipLength() + request.l4Length();
        int payload = request.payloadLength();
        int mss = request.segmentSize();
        frame.get(offset, header, 0, headers);
        computed = holdsPseudoHeader(frame, offset + computedIp, offset + computedL4, 0);
        for (int done = 0, index = 0; done < payload; done += mss, index++) {
            int start = offset + done;
            int size = Math.min(mss, payload - done);
            if (index > 0) {
                frame.put(start, header, 0, headers);
            }
            writeIpHeader(request, frame, start + request.macLength(), request.l4Length() + size, index);
            writeTcpHeader(request, frame, start, done, size);
            computedLength = request.l4Length() + size;
            emit(frame, start, headers + size, sink);
        }
    }

    private static void writeIpHeader(TransmitRequest request, ByteBuffer frame, int ip, int l4Length, int index) {
        int length = request.ipLength() + l4Length;
        if (request.ipType() == TransmitIpType.IPV6) {
            frame.putShort(ip + IPV6_LENGTH, (short) (length - TransmitIpType.IPV6.minimumHeader()));
            return;
        }
        frame.putShort(ip + IPV4_LENGTH, (short) length);
        frame.putShort(ip + IPV4_IDENTIFICATION, (short) (frame.getShort(ip + IPV4_IDENTIFICATION) + index));
        insertIpv4Checksum(frame, ip, request.ipLength());
    }

    private static void writeTcpHeader(TransmitRequest request, ByteBuffer frame, int start, int done, int size) {
        int tcp = start + request.macLength() + request.ipLength();
        int flags = frame.get(tcp + TCP_FLAGS);
        if (done > 0) {
            flags &= ~TCP_CWR;
        }
        if (done + size < request.payloadLength()) {
            flags &= ~(TCP_FIN | TCP_PSH);
        }
        frame.put(tcp + TCP_FLAGS, (byte) flags);
        frame.putInt(tcp + TCP_SEQUENCE, frame.getInt(tcp + TCP_SEQUENCE) + done);
        int length = request.l4Length() + size;
        insertSum(L4Protocol.TCP, frame, tcp, InternetChecksum.add(InternetChecksum.sum(frame, tcp, length), length));
    }

    private static void emit(ByteBuffer frame, int offset, int length, FrameSink sink) {
        int padded = length;
        for (; padded < MINIMUM_FRAME; padded++) {
            frame.put(offset + padded, (byte) 0);
        }
        sink.frame(frame, offset, padded);
    }

    private static int unsignedShort(ByteBuffer frame, int index) {
        return frame.getShort(index) & 0xffff;
    }
}
