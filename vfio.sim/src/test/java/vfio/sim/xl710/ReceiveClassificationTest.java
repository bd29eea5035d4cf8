package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ReceiveClassificationTest {
    private static final int OFFSET = 11;
    private static final long PTYPE = 0xffL << ReceiveClassification.PTYPE_SHIFT;
    private static final long GOOD = ReceiveClassification.STATUS_L3L4P;
    private static final long BAD = GOOD | ReceiveClassification.ERROR_L4E;

    private final FrameHeaders headers = new FrameHeaders();
    private final ReceiveClassification classification = new ReceiveClassification();
    private final TransmitOffload offload = new TransmitOffload();

    static Stream<Packet> packets() {
        return Stream.of(L4Protocol.values())
                .flatMap(protocol -> Stream.of(true, false).flatMap(ipv6 -> Stream.of(0, 1, 2)
                        .map(tags -> new Packet(tags, ipv6, 0, protocol, 12, 7, 7, 0, Packet.pattern(51)))));
    }

    @ParameterizedTest
    @CsvSource({
        "false, UDP, 24", "false, TCP, 26", "false, SCTP, 27", "false, NONE, 23",
        "true, UDP, 90", "true, TCP, 92", "true, SCTP, 93", "true, NONE, 89"
    })
    void packetTypesAreThoseOfTheDevice(boolean ipv6, L4Protocol protocol, int type) {
        assertThat(classify(Packet.of(ipv6, protocol, 100).onWire())).isEqualTo(GOOD | ptype(type));
    }

    @Test
    void fragmentsAndIcmpHaveTypesOfTheirOwn() {
        byte[] fragment = Packet.of(false, L4Protocol.TCP, 100).onWire();
        fragment[20] = 0x60;
        assertThat(classify(fragment)).isEqualTo(GOOD | ptype(22) | ReceiveClassification.ERROR_IPE);
        byte[] fragment6 = new Packet(0, true, 8, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(10)).onWire();
        fragment6[20] = 44;
        assertThat(classify(fragment6)).isEqualTo(GOOD | ptype(88) | ReceiveClassification.STATUS_IPV6EXADD);
        byte[] icmp6 = Packet.of(true, L4Protocol.NONE, 100).onWire();
        icmp6[20] = 58;
        assertThat(classify(icmp6)).isEqualTo(GOOD | ptype(94));
        icmp6[20] = 1;
        assertThat(classify(icmp6)).isEqualTo(GOOD | ptype(89));
        byte[] icmp = Packet.of(false, L4Protocol.NONE, 100).onWire();
        icmp[23] = 1;
        assertThat(classify(icmp) & PTYPE).isEqualTo(ptype(28));
    }

    @Test
    void whatIsNotIpHasNoStatus() {
        byte[] arp = new byte[60];
        arp[12] = 8;
        arp[13] = 6;
        assertThat(classify(arp)).isEqualTo(ptype(1));
        arp[0] = 1;
        assertThat(classify(arp)).isEqualTo(ptype(1) | 1L << 9);
        Arrays.fill(arp, 0, 6, (byte) 0xff);
        assertThat(classify(arp)).isEqualTo(ptype(1) | 2L << 9);
    }

    @ParameterizedTest
    @MethodSource("packets")
    void everyFlippedBitOfAPacketIsNoticed(Packet packet) {
        byte[] frame = packet.onWire();
        int l4 = packet.macLength() + packet.ipLength();
        long good = classify(frame);
        for (int bit = l4 * 8; bit < frame.length * 8 && packet.protocol() != L4Protocol.NONE; bit++) {
            byte[] flipped = frame.clone();
            flipped[bit / 8] ^= (byte) (1 << (bit % 8));
            assertThat(classify(flipped)).as("bit %d", bit).isEqualTo(good | ReceiveClassification.ERROR_L4E);
        }
    }

    @ParameterizedTest
    @MethodSource("packets")
    void everyFlippedBitOfAnIpv4HeaderIsNoticed(Packet packet) {
        if (packet.isIpv6()) {
            return;
        }
        byte[] frame = packet.onWire();
        for (int bit = packet.macLength() * 8; bit < (packet.macLength() + packet.ipLength()) * 8; bit++) {
            byte[] flipped = frame.clone();
            flipped[bit / 8] ^= (byte) (1 << (bit % 8));
            long bits = classify(flipped);
            assertThat((bits & ReceiveClassification.ERROR_IPE) != 0 || (bits & PTYPE) == ptype(1))
                    .as("bit %d: %x", bit, bits)
                    .isTrue();
        }
    }

    @Test
    void aWrongAddressIsAWrongPseudoHeader() {
        for (L4Protocol protocol : new L4Protocol[] {L4Protocol.TCP, L4Protocol.UDP}) {
            byte[] frame = Packet.of(true, protocol, 100).onWire();
            frame[53] ^= 1;
            assertThat(classify(frame) & ~PTYPE).isEqualTo(BAD);
        }
    }

    @Test
    void paddingIsNotVerified() {
        for (L4Protocol protocol : L4Protocol.values()) {
            byte[] frame = Packet.of(false, protocol, 1).onWire();
            byte[] padded = Arrays.copyOf(frame, 64);
            Arrays.fill(padded, frame.length, 64, (byte) 0x5a);
            assertThat(classify(padded)).isEqualTo(classify(frame));
        }
    }

    @Test
    void aUdpChecksumIsOptionalWithIpv4Only() {
        byte[] frame = Packet.of(false, L4Protocol.UDP, 100).onWire();
        frame[40] = 0;
        frame[41] = 0;
        assertThat(classify(frame)).isEqualTo(GOOD | ptype(24) | ReceiveClassification.STATUS_UDP_0);
        byte[] frame6 = Packet.of(true, L4Protocol.UDP, 100).onWire();
        frame6[60] = 0;
        frame6[61] = 0;
        assertThat(classify(frame6)).isEqualTo(ptype(90) | ReceiveClassification.STATUS_UDP_0);
    }

    @Test
    void aUdpLengthThatCannotBeIsWrong() {
        byte[] frame = Packet.of(false, L4Protocol.UDP, 100).onWire();
        frame[39] = 7;
        assertThat(classify(frame) & ~PTYPE).isEqualTo(BAD);
        frame[39] = 109;
        assertThat(classify(frame) & ~PTYPE).isEqualTo(BAD);
    }

    @Test
    void udpIsVerifiedUpToItsOwnLength() {
        byte[] inner = Packet.of(true, L4Protocol.UDP, 100).onWire();
        byte[] frame = Arrays.copyOf(inner, inner.length + 5);
        Arrays.fill(frame, inner.length, frame.length, (byte) 0x77);
        frame[19] = 113;
        assertThat(classify(frame)).isEqualTo(GOOD | ptype(90));
    }

    @Test
    void nothingIsSaidOfChecksumsBehindExtensions() {
        byte[] frame = new Packet(0, true, 8, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(10)).onWire();
        assertThat(classify(frame)).isEqualTo(ptype(92) | ReceiveClassification.STATUS_IPV6EXADD);
    }

    @Test
    void theFrameIsLeftAsItWas() {
        byte[] frame = Packet.of(true, L4Protocol.SCTP, 100).onWire();
        ByteBuffer bytes = buffer(frame);
        bytes.limit(bytes.capacity() - 3).position(7);
        headers.parse(bytes, OFFSET, frame.length);
        classification.classify(bytes, headers, false);
        assertThat(bytes.position()).isEqualTo(7);
        assertThat(bytes.limit()).isEqualTo(bytes.capacity() - 3);
        byte[] after = new byte[frame.length];
        bytes.get(OFFSET, after);
        assertThat(after).isEqualTo(frame);
    }

    @ParameterizedTest
    @MethodSource("packets")
    void whatWasComputedNeedNoVerification(Packet packet) {
        byte[] prepared = packet.withPseudoHeader();
        assertThat(send(packet.request(), prepared)).isEqualTo(packet.protocol() == L4Protocol.NONE ? 0 : 1);
    }

    @Test
    void segmentsNeedNoVerification() {
        for (boolean ipv6 : new boolean[] {true, false}) {
            Packet packet = new Packet(1, ipv6, 0, L4Protocol.TCP, 12, 0, 0, 0, Packet.pattern(5000));
            assertThat(send(packet.request(1000), packet.forSegmentation())).isEqualTo(5);
        }
    }

    @Test
    void aWrongPseudoHeaderIsNotTrusted() {
        Packet packet = Packet.of(false, L4Protocol.TCP, 5000);
        byte[] prepared = packet.forSegmentation();
        prepared[51]++;
        assertThat(send(packet.request(1000), prepared)).isZero();
        byte[] single = packet.withPseudoHeader();
        single[51]++;
        assertThat(send(packet.request(), single)).isZero();
    }

    @Test
    void aPseudoHeaderFromTheWrongPlaceIsNotTrusted() {
        Packet packet = new Packet(1, false, 0, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(300));
        TransmitRequest request = packet.request();
        request.headers(14, 24, 20);
        request.checksums(TransmitIpType.IPV4, L4Protocol.TCP);
        assertThat(send(request, withPseudoHeader(packet, 4, 14))).isZero();
    }

    @Test
    void aPseudoHeaderOfTheWrongVersionIsNotTrusted() {
        // To IPv6, the identification is the length of the payload.
        Packet packet = new Packet(0, false, 20, L4Protocol.TCP, 0, 320, 0, 0, Packet.pattern(300));
        TransmitRequest request = packet.request();
        request.checksums(TransmitIpType.IPV6, L4Protocol.TCP);
        assertThat(send(request, withPseudoHeader(packet, 6, 14))).isZero();
    }

    /** The shortcut never says more than a look would. */
    @Property(tries = 20_000)
    void whatIsTrustedIsRight(
            @ForAll long seed,
            @ForAll boolean ipv6,
            @ForAll boolean segmented,
            @ForAll @IntRange(max = 3) int changes) {
        Random random = new Random(seed);
        L4Protocol protocol = segmented ? L4Protocol.TCP : L4Protocol.ofCode(random.nextInt());
        int extra = random.nextInt(3) * 8;
        Packet packet = new Packet(random.nextInt(3), ipv6, extra, protocol, 0, 0, 0, 0, Packet.pattern(300));
        byte[] frame = segmented ? packet.forSegmentation() : packet.withPseudoHeader();
        for (int change = 0; change < changes; change++) {
            frame[12 + random.nextInt(packet.headers() - 12)] = (byte) random.nextInt();
        }
        TransmitRequest request = segmented ? packet.request(100) : packet.request();
        if (random.nextInt(4) == 0) {
            int shift = 4 * (random.nextInt(3) - 1);
            request.headers(packet.macLength() + shift, packet.ipLength() - shift, packet.l4Length());
        }
        send(request, frame);
    }

    /** Sends a packet, compares what its frames look like with and without trust, and counts those trusted. */
    private int send(TransmitRequest request, byte[] packet) {
        int[] trusted = new int[1];
        offload.send(request, buffer(packet), OFFSET, packet.length, (bytes, offset, length) -> {
            headers.parse(bytes, offset, length);
            boolean computed = offload.computed(headers);
            assertThat(classification.classify(bytes, headers, computed))
                    .isEqualTo(classification.classify(bytes, headers, false));
            trusted[0] += computed ? 1 : 0;
        });
        return trusted[0];
    }

    private static byte[] withPseudoHeader(Packet packet, int ipVersion, int ip) {
        byte[] frame = packet.withPseudoHeader();
        int l4 = packet.macLength() + packet.ipLength();
        ByteBuffer bytes = ByteBuffer.wrap(frame);
        int sum = PseudoHeader.sum(bytes, ipVersion, ip, packet.protocol(), frame.length - l4);
        bytes.putShort(l4 + packet.protocol().checksumOffset(), (short) sum);
        return frame;
    }

    private long classify(byte[] frame) {
        headers.parse(buffer(frame), OFFSET, frame.length);
        return classification.classify(buffer(frame), headers, false);
    }

    private static ByteBuffer buffer(byte[] frame) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(OFFSET + frame.length + TransmitOffload.ROOM);
        return bytes.put(OFFSET, frame);
    }

    private static long ptype(int type) {
        return (long) type << ReceiveClassification.PTYPE_SHIFT;
    }
}
