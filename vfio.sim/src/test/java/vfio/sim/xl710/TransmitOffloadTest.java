package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

class TransmitOffloadTest {
    private static final int OFFSET = 37;

    private final TransmitOffload offload = new TransmitOffload();
    private final List<byte[]> sent = new ArrayList<>();

    @Property(tries = 2000)
    void checksumsAreThoseOfTheReference(@ForAll("packets") Packet packet) {
        assertThat(send(packet.request(), packet.withPseudoHeader())).isTrue();
        assertThat(sent).containsExactly(Packet.padded(packet.onWire()));
    }

    @Property(tries = 1000)
    void segmentsAreThoseOfTheReference(
            @ForAll("streams") Packet packet,
            @ForAll @IntRange(min = TransmitOffload.MINIMUM_SEGMENT_SIZE, max = 9500) int mss) {
        assertThat(send(packet.request(mss), packet.forSegmentation())).isTrue();
        assertThat(sent).containsExactlyElementsOf(packet.segments(mss));
    }

    @Property(tries = 20_000)
    void anythingIsSentWholeOrRefused(
            @ForAll("requests") TransmitRequest request,
            @ForAll @IntRange(max = 3000) int length,
            @ForAll long seed,
            @ForAll boolean agreeing) {
        if (agreeing && request.isSegmented()) {
            int headers = request.macLength() + request.ipLength() + request.l4Length();
            request.segmentation(length - headers, request.segmentSize());
        }
        byte[] packet = new byte[length];
        new Random(seed).nextBytes(packet);
        if (send(request, packet)) {
            assertThat(sent).isNotEmpty().allSatisfy(frame -> assertThat(frame.length)
                    .isBetween(TransmitOffload.MINIMUM_FRAME, TransmitOffload.MAXIMUM_FRAME));
        } else {
            assertThat(sent).isEmpty();
        }
    }

    @Example
    void aPacketWithoutRequestsIsSentAsItIs() {
        byte[] packet = Packet.of(false, L4Protocol.TCP, 100).withPseudoHeader();
        assertThat(send(new TransmitRequest(), packet)).isTrue();
        assertThat(sent).containsExactly(packet);
    }

    @Example
    void aHeaderChecksumIsLeftAloneUnlessAskedFor() {
        Packet packet = Packet.of(false, L4Protocol.UDP, 100);
        byte[] broken = packet.withPseudoHeader();
        broken[24] ^= 0x55;
        byte[] expected = packet.onWire();
        expected[24] ^= 0x55;
        TransmitRequest request = packet.request();
        request.checksums(TransmitIpType.IPV4, L4Protocol.UDP);
        assertThat(send(request, broken)).isTrue();
        assertThat(sent).containsExactly(expected);
    }

    @Example
    void staleHeaderChecksumsDoNotCount() {
        Packet packet = Packet.of(false, L4Protocol.NONE, 100);
        byte[] stale = packet.onWire();
        stale[24] ^= 0x55;
        assertThat(send(packet.request(), stale)).isTrue();
        assertThat(sent).containsExactly(packet.onWire());
    }

    @Example
    void paddingByTheDriverIsNotSummed() {
        for (L4Protocol protocol : List.of(L4Protocol.TCP, L4Protocol.UDP, L4Protocol.SCTP)) {
            for (boolean ipv6 : List.of(true, false)) {
                Packet packet = Packet.of(ipv6, protocol, 33);
                byte[] trailer = {1, 2, 3, 4, 5};
                assertThat(send(packet.request(), join(packet.withPseudoHeader(), trailer)))
                        .isTrue();
                assertThat(sent).containsExactly(join(packet.onWire(), trailer));
            }
        }
    }

    @Example
    void aUdpChecksumOfZeroIsSentAsOnes() {
        Packet packet = Packet.of(false, L4Protocol.UDP, 4);
        byte[] wire = packet.onWire();
        int checksum = word(wire, 40);
        byte[] payload = Packet.pattern(4);
        int changed = (word(payload, 0) + checksum) % 0xffff;
        payload[0] = (byte) (changed >> 8);
        payload[1] = (byte) changed;
        Packet zero = new Packet(0, false, 0, L4Protocol.UDP, 0, 0xfffe, 0, 0, payload);
        assertThat(send(zero.request(), zero.withPseudoHeader())).isTrue();
        assertThat(sent.get(0)[40]).isEqualTo((byte) 0xff);
        assertThat(sent.get(0)[41]).isEqualTo((byte) 0xff);
    }

    @Example
    void flagsGoWhereTheyBelong() {
        Packet packet = new Packet(
                0,
                false,
                0,
                L4Protocol.TCP,
                12,
                0xffff,
                -100,
                Packet.ACK | Packet.CWR | Packet.PSH | Packet.FIN,
                Packet.pattern(300));
        assertThat(send(packet.request(100), packet.forSegmentation())).isTrue();
        assertThat(sent)
                .extracting(frame -> frame[47] & 0xff)
                .containsExactly(Packet.ACK | Packet.CWR, Packet.ACK, Packet.ACK | Packet.PSH | Packet.FIN);
        assertThat(sent).extracting(frame -> word(frame, 18)).containsExactly(0xffff, 0, 1);
        assertThat(sent).extracting(frame -> ByteBuffer.wrap(frame).getInt(38)).containsExactly(-100, 0, 100);
    }

    @Example
    void aLoneSegmentKeepsItsFlags() {
        Packet packet = new Packet(
                0, true, 0, L4Protocol.TCP, 0, 0, 7, Packet.ACK | Packet.CWR | Packet.PSH, Packet.pattern(100));
        assertThat(send(packet.request(100), packet.forSegmentation())).isTrue();
        assertThat(sent).containsExactly(packet.onWire());
    }

    @Example
    void aPacketOf256KibibytesIsSegmented() {
        Packet packet = Packet.of(false, L4Protocol.TCP, 0x3_ffff);
        assertThat(send(packet.request(1448), packet.forSegmentation())).isTrue();
        assertThat(sent).containsExactlyElementsOf(packet.segments(1448));
    }

    @Example
    void theLongestHeaderAndTheLongestSegmentPass() {
        Packet header = new Packet(1, true, 160, L4Protocol.TCP, 20, 0, 0, 0, Packet.pattern(200));
        assertThat(header.headers()).isEqualTo(258).isGreaterThan(TransmitOffload.MAXIMUM_SEGMENT_HEADER);
        assertThat(send(header.request(100), header.forSegmentation())).isFalse();
        Packet fits = new Packet(0, true, 160, L4Protocol.TCP, 20, 0, 0, 0, Packet.pattern(200));
        assertThat(send(fits.request(100), fits.forSegmentation())).isTrue();
        Packet longest = Packet.of(false, L4Protocol.TCP, 2 * TransmitOffload.MAXIMUM_SEGMENT_SIZE);
        assertThat(send(longest.request(TransmitOffload.MAXIMUM_SEGMENT_SIZE), longest.forSegmentation()))
                .isTrue();
        Packet tooLong = new Packet(0, false, 0, L4Protocol.TCP, 12, 0, 0, 0, Packet.pattern(20_000));
        assertThat(send(tooLong.request(TransmitOffload.MAXIMUM_SEGMENT_SIZE), tooLong.forSegmentation()))
                .isFalse();
        assertThat(sent).isEmpty();
    }

    @Example
    void whatDoesNotFitIsRefused() {
        Packet packet = Packet.of(false, L4Protocol.TCP, 1000);
        byte[] bytes = packet.forSegmentation();
        refused("an MSS of 0", bytes, request -> request.segmentation(1000, 0));
        refused("a small MSS", bytes, request -> request.segmentation(1000, 63));
        refused("a large MSS", bytes, request -> request.segmentation(1000, 9669));
        refused("less payload", bytes, request -> request.segmentation(999, 100));
        refused("more payload", bytes, request -> request.segmentation(1001, 100));
        refused("no payload", Packet.of(false, L4Protocol.TCP, 0).forSegmentation(), r -> r.segmentation(0, 100));
        refused("UDP segmented", bytes, r -> r.checksums(TransmitIpType.IPV4_WITH_CHECKSUM, L4Protocol.UDP));
        refused("segments without checksum", bytes, r -> r.checksums(TransmitIpType.IPV4, L4Protocol.TCP));
        refused("segments of what is not IP", bytes, r -> r.checksums(TransmitIpType.NONE, L4Protocol.NONE));
        refused("a short TCP header", bytes, request -> {
            request.headers(14, 20, 16);
            request.segmentation(1004, 100);
        });
        TransmitRequest ordinary = packet.request(100);
        assertThat(send(ordinary, bytes)).isTrue();
    }

    @Example
    void headersBeyondThePacketAreRefused() {
        byte[] bytes = Packet.of(true, L4Protocol.TCP, 0).withPseudoHeader();
        TransmitRequest request = new TransmitRequest();
        request.checksums(TransmitIpType.IPV6, L4Protocol.TCP);
        for (int[] lengths : new int[][] {
            {12, 40, 20},
            {14, 36, 20},
            {14, 40, 24},
            {14, 44, 20},
            {18, 40, 20},
            {14, 60, 0},
            {254, 40, 0},
            {14, 40, -4},
            {Integer.MAX_VALUE, 40, 20},
            {14, Integer.MAX_VALUE, 20},
            {14, 40, Integer.MAX_VALUE}
        }) {
            request.headers(lengths[0], lengths[1], lengths[2]);
            assertThat(send(request, bytes)).as("%s", request).isFalse();
        }
        request.headers(14, 40, 20);
        assertThat(send(request, bytes)).isTrue();
        request.checksums(TransmitIpType.NONE, L4Protocol.TCP);
        assertThat(send(request, bytes)).as("TCP without IP").isFalse();
    }

    @Example
    void packetsTooShortAndTooLongAreRefused() {
        TransmitRequest plain = new TransmitRequest();
        assertThat(send(plain, new byte[TransmitOffload.MINIMUM_PACKET - 1])).isFalse();
        assertThat(sent).isEmpty();
        assertThat(send(plain, new byte[TransmitOffload.MAXIMUM_FRAME + 1])).isFalse();
        assertThat(sent).isEmpty();
        assertThat(send(plain, new byte[TransmitOffload.MINIMUM_PACKET])).isTrue();
        assertThat(send(plain, new byte[TransmitOffload.MAXIMUM_FRAME])).isTrue();
    }

    @Example
    void aBufferWithoutRoomForPaddingIsTheCallersFault() {
        ByteBuffer frame = ByteBuffer.allocateDirect(119);
        assertThatThrownBy(() -> offload.send(new TransmitRequest(), frame, 0, 60, (bytes, offset, length) -> {}))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Provide
    Arbitrary<Packet> packets() {
        return packets(Arbitraries.of(L4Protocol.class), Arbitraries.integers().between(0, 1500));
    }

    @Provide
    Arbitrary<Packet> streams() {
        return packets(Arbitraries.just(L4Protocol.TCP), Arbitraries.integers().between(1, 20_000));
    }

    private static Arbitrary<Packet> packets(Arbitrary<L4Protocol> protocols, Arbitrary<Integer> lengths) {
        Arbitrary<byte[]> payloads = Combinators.combine(lengths, Arbitraries.longs())
                .as((length, seed) -> {
                    byte[] payload = new byte[length];
                    new Random(seed).nextBytes(payload);
                    return payload;
                });
        Arbitrary<Integer> tags = Arbitraries.integers().between(0, 2);
        Arbitrary<Integer> extra = Arbitraries.of(0, 8, 16, 40);
        Arbitrary<Integer> options = Arbitraries.of(0, 12, 40);
        Arbitrary<Integer> flags = Arbitraries.integers().between(0, 255);
        return Combinators.combine(
                        Combinators.combine(tags, extra, options, flags).as(List::of),
                        Arbitraries.of(true, false),
                        protocols,
                        Arbitraries.integers().between(0, 0xffff),
                        Arbitraries.integers(),
                        payloads)
                .as((sizes, ipv6, protocol, identification, sequence, payload) -> new Packet(
                        sizes.get(0),
                        ipv6,
                        sizes.get(1),
                        protocol,
                        sizes.get(2),
                        identification,
                        sequence,
                        sizes.get(3),
                        payload));
    }

    @Provide
    Arbitrary<TransmitRequest> requests() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, 127),
                        Arbitraries.integers().between(0, 127),
                        Arbitraries.integers().between(0, 15),
                        Arbitraries.of(TransmitIpType.class),
                        Arbitraries.of(L4Protocol.class),
                        Arbitraries.of(true, false),
                        Arbitraries.integers().between(0, 0x3_ffff),
                        Arbitraries.integers().between(0, 0x3fff))
                .as((mac, ip, l4, ipType, protocol, segmented, payload, mss) -> {
                    TransmitRequest request = new TransmitRequest();
                    request.headers(2 * mac, 4 * ip, 4 * l4);
                    request.checksums(ipType, protocol);
                    if (segmented) {
                        request.segmentation(payload, mss);
                    }
                    return request;
                });
    }

    private void refused(String why, byte[] bytes, Consumer<TransmitRequest> change) {
        TransmitRequest request = Packet.of(false, L4Protocol.TCP, 1000).request(100);
        change.accept(request);
        assertThat(send(request, bytes)).as(why).isFalse();
        assertThat(sent).as(why).isEmpty();
    }

    /** Sends a packet from the middle of a buffer, and checks that the rest stays as it was. */
    private boolean send(TransmitRequest request, byte[] packet) {
        sent.clear();
        int behind = OFFSET + packet.length + TransmitOffload.ROOM;
        ByteBuffer frame = ByteBuffer.allocateDirect(behind + 8);
        for (int index = 0; index < frame.capacity(); index++) {
            frame.put(index, (byte) 0xa5);
        }
        frame.put(OFFSET, packet);
        boolean done = offload.send(request, frame, OFFSET, packet.length, (bytes, offset, length) -> {
            byte[] copy = new byte[length];
            bytes.get(offset, copy);
            sent.add(copy);
        });
        for (int index = 0; index < frame.capacity(); index++) {
            if (index < OFFSET || index >= behind) {
                assertThat(frame.get(index)).as("byte %d", index).isEqualTo((byte) 0xa5);
            }
        }
        return done;
    }

    private static int word(byte[] bytes, int index) {
        return ByteBuffer.wrap(bytes).getShort(index) & 0xffff;
    }

    private static byte[] join(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
