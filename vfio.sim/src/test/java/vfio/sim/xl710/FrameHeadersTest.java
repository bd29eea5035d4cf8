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
import org.junit.jupiter.params.provider.MethodSource;

class FrameHeadersTest {
    private static final int OFFSET = 5;
    private static final int IPV4 = 14;

    private final FrameHeaders headers = new FrameHeaders();

    static Stream<Packet> packets() {
        return Stream.of(L4Protocol.values()).flatMap(protocol -> Stream.of(true, false)
                .flatMap(ipv6 -> Stream.of(0, 1, 2).flatMap(tags -> Stream.of(0, 16)
                        .map(extra -> new Packet(tags, ipv6, extra, protocol, 12, 7, 7, 0, Packet.pattern(50))))));
    }

    @ParameterizedTest
    @MethodSource("packets")
    void headersAreFound(Packet packet) {
        byte[] frame = packet.onWire();
        parse(frame);
        assertThat(headers.offset()).isEqualTo(OFFSET);
        assertThat(headers.ipVersion()).isEqualTo(packet.isIpv6() ? 6 : 4);
        assertThat(headers.ipOffset()).isEqualTo(OFFSET + packet.macLength());
        assertThat(headers.l4Offset()).isEqualTo(OFFSET + packet.macLength() + packet.ipLength());
        assertThat(headers.l4Length()).isEqualTo(packet.l4Length() + 50);
        assertThat(headers.protocol()).isEqualTo(packet.protocol());
        assertThat(headers.isFragment()).isFalse();
        assertThat(headers.isExtended())
                .isEqualTo(packet.isIpv6() && packet.ipLength() > TransmitIpType.IPV6.minimumHeader());
    }

    @ParameterizedTest
    @MethodSource("packets")
    void paddingDoesNotBelongToTheDatagram(Packet packet) {
        parse(Arrays.copyOf(packet.onWire(), 300));
        assertThat(headers.l4Length()).isEqualTo(packet.l4Length() + 50);
    }

    @ParameterizedTest
    @MethodSource("packets")
    void aFrameCutShortIsNotIp(Packet packet) {
        byte[] frame = packet.onWire();
        for (int length = 0; length < frame.length; length++) {
            parse(Arrays.copyOf(frame, length));
            assertThat(headers.ipVersion()).as("%d bytes", length).isZero();
        }
    }

    @Test
    void destinationsAreTold() {
        byte[] frame = Packet.of(false, L4Protocol.TCP, 0).onWire();
        parse(frame);
        assertThat(headers.destination()).isEqualTo(0x0200_0000_0001L);
        assertThat(headers.isMulticast()).isFalse();
        frame[0] = 0x33;
        parse(frame);
        assertThat(headers.isMulticast()).isTrue();
        assertThat(headers.isBroadcast()).isFalse();
        Arrays.fill(frame, 0, 6, (byte) 0xff);
        parse(frame);
        assertThat(headers.isMulticast()).isTrue();
        assertThat(headers.isBroadcast()).isTrue();
    }

    @Test
    void fragmentsOfIpv4HaveNoPorts() {
        byte[] first = Packet.of(false, L4Protocol.UDP, 50).onWire();
        first[IPV4 + 6] = 0x20;
        parse(first);
        assertFragmentOf(L4Protocol.UDP);
        byte[] last = Packet.of(false, L4Protocol.UDP, 50).onWire();
        last[IPV4 + 6] = 0;
        last[IPV4 + 7] = 1;
        parse(last);
        assertFragmentOf(L4Protocol.UDP);
    }

    @Test
    void fragmentsOfIpv6HaveNoPorts() {
        byte[] frame = new Packet(0, true, 8, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(50)).onWire();
        frame[IPV4 + 6] = 44;
        parse(frame);
        assertFragmentOf(L4Protocol.TCP);
        assertThat(headers.isExtended()).isTrue();
    }

    @Test
    void aHeaderThatContradictsItselfIsNone() {
        byte[] version = Packet.of(false, L4Protocol.TCP, 50).onWire();
        version[IPV4] = 0x65;
        byte[] header = Packet.of(false, L4Protocol.TCP, 50).onWire();
        header[IPV4] = 0x44;
        byte[] shortTotal = Packet.of(false, L4Protocol.TCP, 50).onWire();
        shortTotal[IPV4 + 3] = 19;
        byte[] longTotal = Packet.of(false, L4Protocol.TCP, 50).onWire();
        longTotal[IPV4 + 3]++;
        byte[] version6 = Packet.of(true, L4Protocol.TCP, 50).onWire();
        version6[IPV4] = 0x40;
        byte[] longPayload = Packet.of(true, L4Protocol.TCP, 50).onWire();
        longPayload[IPV4 + 5]++;
        byte[] type = Packet.of(true, L4Protocol.TCP, 50).onWire();
        type[12] = 0;
        for (byte[] frame : new byte[][] {version, header, shortTotal, longTotal, version6, longPayload, type}) {
            parse(frame);
            assertThat(headers.ipVersion()).isZero();
            assertThat(headers.protocol()).isEqualTo(L4Protocol.NONE);
        }
    }

    @Test
    void aProtocolWithoutItsHeaderIsUnknown() {
        byte[] frame = Packet.of(false, L4Protocol.NONE, 19).onWire();
        frame[IPV4 + 9] = 6;
        parse(frame);
        assertThat(headers.ipVersion()).isEqualTo(4);
        assertThat(headers.protocolNumber()).isEqualTo(6);
        assertThat(headers.protocol()).isEqualTo(L4Protocol.NONE);
    }

    @Test
    void extensionsBeyondTheDatagramEndTheChain() {
        byte[] frame = new Packet(0, true, 16, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(0)).onWire();
        frame[IPV4 + 41] = 3;
        parse(frame);
        assertThat(headers.protocolNumber()).isEqualTo(6);
        assertThat(headers.protocol()).isEqualTo(L4Protocol.NONE);
        frame[IPV4 + 41] = 4;
        parse(frame);
        assertThat(headers.protocolNumber()).isEqualTo(-1);
        assertThat(headers.isExtended()).isTrue();
    }

    @Test
    void authenticationHeadersCountInWords() {
        byte[] frame = new Packet(0, true, 24, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(50)).onWire();
        frame[IPV4 + 6] = 51;
        frame[IPV4 + 41] = 4;
        parse(frame);
        assertThat(headers.protocol()).isEqualTo(L4Protocol.TCP);
        assertThat(headers.l4Offset()).isEqualTo(OFFSET + IPV4 + 64);
    }

    @Test
    void endlessChainsAreGivenUp() {
        byte[] frame = Packet.of(true, L4Protocol.NONE, 1000).onWire();
        Arrays.fill(frame, IPV4 + 40, frame.length, (byte) 0);
        frame[IPV4 + 6] = 0;
        parse(frame);
        assertThat(headers.protocolNumber()).isEqualTo(-1);
        assertThat(headers.l4Offset()).isEqualTo(OFFSET + IPV4 + 40 + 8 * 8);
    }

    @Property(tries = 20_000)
    void anyBytesAreParsed(@ForAll long seed, @ForAll @IntRange(max = 200) int length, @ForAll boolean ipv6) {
        byte[] frame = new byte[length];
        new Random(seed).nextBytes(frame);
        if (length > IPV4) {
            frame[12] = (byte) (ipv6 ? 0x86 : 0x08);
            frame[13] = (byte) (ipv6 ? 0xdd : 0x00);
            frame[IPV4] = (byte) (ipv6 ? 0x60 : 0x40 | (frame[IPV4] & 0xf));
        }
        if (length > IPV4 + 5) {
            frame[IPV4 + 2] = 0;
            frame[IPV4 + 4] = 0;
        }
        parse(frame);
        assertThat(headers.ipOffset()).isBetween(OFFSET, OFFSET + length);
        assertThat(headers.l4Offset()).isBetween(headers.ipOffset(), OFFSET + length);
        assertThat(headers.l4Length()).isBetween(headers.protocol().minimumHeader(), length);
        assertThat(headers.l4Offset() + headers.l4Length()).isLessThanOrEqualTo(OFFSET + length);
    }

    private void assertFragmentOf(L4Protocol protocol) {
        assertThat(headers.isFragment()).isTrue();
        assertThat(headers.protocolNumber()).isEqualTo(protocol.number());
        assertThat(headers.protocol()).isEqualTo(L4Protocol.NONE);
    }

    /** Parses a frame at the end of a buffer, so that reading beyond it fails. */
    private void parse(byte[] frame) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(OFFSET + frame.length);
        bytes.put(OFFSET, frame);
        headers.parse(bytes, OFFSET, frame.length);
    }
}
