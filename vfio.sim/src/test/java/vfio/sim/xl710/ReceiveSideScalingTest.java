package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReceiveSideScalingTest {
    private static final long EVERYTHING = -1;
    private static final int OFFSET = 3;

    /** The key of Microsoft's "Verifying the RSS Hash Calculation", zeros behind it. */
    private static final byte[] PUBLISHED_KEY = Arrays.copyOf(
            HexFormat.of().parseHex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"),
            ReceiveSideScaling.KEY_SIZE);

    private final ReceiveSideScaling scaling = new ReceiveSideScaling();
    private final FrameHeaders headers = new FrameHeaders();

    @ParameterizedTest
    @CsvSource({
        "161.142.100.80, 1766, 66.9.149.187, 2794, 323e8fc2, 51ccc178",
        "65.69.140.83, 4739, 199.92.111.2, 14230, d718262a, c626b0ea",
        "12.22.207.184, 38024, 24.19.198.95, 12898, d2d0a5de, 5c2b394a",
        "209.142.163.6, 2217, 38.27.205.30, 48228, 82989176, afc7327f",
        "202.188.127.2, 1303, 153.39.163.191, 44251, 5d1809c5, 10e828a2",
        "3ffe:2501:200:3::1, 1766, 3ffe:2501:200:1fff::7, 2794, 2cc18cd5, 40207d3d",
        "ff02::1, 4739, 3ffe:501:8::260:97ff:fe40:efab, 14230, 0f0c461c, dde51bbf",
        "fe80::200:f8ff:fe21:67cf, 38024, 3ffe:1900:4545:3:200:f8ff:fe21:67cf, 44251, 4b61e985, 02d1feef"
    })
    void publishedHashes(String to, int toPort, String from, int fromPort, String addresses, String ports)
            throws UnknownHostException {
        scaling.setKey(PUBLISHED_KEY);
        scaling.setHashTypes(ReceiveSideScaling.DEFAULT_HASH_TYPES);
        assertThat(hash(frame(L4Protocol.NONE, from, fromPort, to, toPort))).isTrue();
        assertThat(scaling.value()).isEqualTo(Integer.parseUnsignedInt(addresses, 16));
        for (L4Protocol protocol : new L4Protocol[] {L4Protocol.TCP, L4Protocol.UDP, L4Protocol.SCTP}) {
            assertThat(hash(frame(protocol, from, fromPort, to, toPort))).isTrue();
            assertThat(scaling.value()).isEqualTo(Integer.parseUnsignedInt(ports, 16));
        }
    }

    @Property
    void anyKeyHashesAsTheReferenceDoes(
            @ForAll @Size(ReceiveSideScaling.KEY_SIZE) byte[] key,
            @ForAll long seed,
            @ForAll boolean ipv6,
            @ForAll L4Protocol protocol) {
        scaling.setKey(key);
        scaling.setHashTypes(EVERYTHING);
        byte[] frame = Packet.of(ipv6, protocol, 100).onWire();
        int addresses = ipv6 ? 22 : 26;
        int input = (ipv6 ? 32 : 8) + (protocol == L4Protocol.NONE ? 0 : 4);
        byte[] random = new byte[input];
        new Random(seed).nextBytes(random);
        System.arraycopy(random, 0, frame, addresses, input);
        assertThat(hash(frame)).isTrue();
        assertThat(scaling.value()).isEqualTo(slowToeplitz(key, random));
    }

    @ParameterizedTest
    @CsvSource({
        "false, UDP, 31", "false, TCP, 33", "false, SCTP, 34", "false, NONE, 35",
        "true, UDP, 41", "true, TCP, 43", "true, SCTP, 44", "true, NONE, 45"
    })
    void aTypeIsHashedIfItsBitIsSet(boolean ipv6, L4Protocol protocol, int bit) {
        scaling.setKey(PUBLISHED_KEY);
        byte[] frame = Packet.of(ipv6, protocol, 100).onWire();
        assertTypeIs(bit, frame);
        byte[] fragment;
        if (ipv6) {
            fragment = new Packet(0, true, 8, protocol, 0, 0, 0, 0, Packet.pattern(100)).onWire();
            fragment[20] = 44;
        } else {
            fragment = frame.clone();
            fragment[20] = 0x20;
        }
        assertTypeIs(ipv6 ? 46 : 36, fragment);
    }

    @Test
    void fragmentsHashByAddressesAlone() {
        scaling.setKey(PUBLISHED_KEY);
        scaling.setHashTypes(ReceiveSideScaling.DEFAULT_HASH_TYPES);
        byte[] first = Packet.of(false, L4Protocol.UDP, 100).onWire();
        hash(Packet.of(false, L4Protocol.NONE, 100).onWire());
        int expected = scaling.value();
        first[20] = 0x20;
        assertThat(hash(first)).isTrue();
        assertThat(scaling.value()).isEqualTo(expected).isNotZero();
    }

    @Test
    void theExpandedDefaultHashesTheSame() {
        scaling.setKey(PUBLISHED_KEY);
        byte[] frame = Packet.of(true, L4Protocol.TCP, 100).onWire();
        scaling.setHashTypes(ReceiveSideScaling.DEFAULT_HASH_TYPES);
        hash(frame);
        int expected = scaling.value();
        scaling.setHashTypes(0x8000_7f9f_e000_0000L);
        assertThat(hash(frame)).isTrue();
        assertThat(scaling.value()).isEqualTo(expected).isNotZero();
        assertThat(scaling.hashTypes()).isEqualTo(0x8000_7f9f_e000_0000L);
    }

    @Test
    void whatIsNotIpIsNotHashed() {
        scaling.setKey(PUBLISHED_KEY);
        scaling.setHashTypes(EVERYTHING);
        byte[] arp = new byte[60];
        arp[12] = 0x08;
        arp[13] = 0x06;
        assertThat(hash(arp)).isFalse();
        assertThat(scaling.value()).isZero();
        assertThat(scaling.queue()).isZero();
    }

    @Test
    void theLowestBitsOfTheHashChooseTheQueue() {
        byte[] table = new byte[ReceiveSideScaling.TABLE_SIZE];
        for (int entry = 0; entry < table.length; entry++) {
            table[entry] = (byte) (200 - entry);
        }
        scaling.setKey(PUBLISHED_KEY);
        scaling.setLookupTable(table);
        scaling.setHashTypes(EVERYTHING);
        hash(Packet.of(false, L4Protocol.TCP, 10).onWire());
        assertThat(scaling.queue()).isEqualTo(200 - (scaling.value() & 63));
        scaling.setHashTypes(0);
        hash(Packet.of(false, L4Protocol.TCP, 10).onWire());
        assertThat(scaling.queue()).isZero();
    }

    @Test
    void whatWasSetIsRemembered() {
        byte[] key = PUBLISHED_KEY.clone();
        byte[] table = Packet.pattern(ReceiveSideScaling.TABLE_SIZE);
        scaling.setKey(key);
        scaling.setLookupTable(table);
        scaling.setHashTypes(5);
        key[0]++;
        table[0]++;
        assertThat(scaling.key()).isEqualTo(PUBLISHED_KEY);
        assertThat(scaling.lookupTable()).isEqualTo(Packet.pattern(ReceiveSideScaling.TABLE_SIZE));
        scaling.reset();
        assertThat(scaling.key()).containsOnly(0);
        assertThat(scaling.lookupTable()).containsOnly(0);
        assertThat(scaling.hashTypes()).isZero();
        scaling.setHashTypes(EVERYTHING);
        hash(Packet.of(false, L4Protocol.TCP, 10).onWire());
        assertThat(scaling.value()).isZero();
    }

    @Test
    void shortKeysAndTablesAreTheCallersFault() {
        assertThatThrownBy(() -> scaling.setKey(new byte[40])).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> scaling.setLookupTable(new byte[63])).isInstanceOf(IndexOutOfBoundsException.class);
    }

    private void assertTypeIs(int bit, byte[] frame) {
        scaling.setHashTypes(1L << bit);
        assertThat(hash(frame)).isTrue();
        assertThat(scaling.value()).isNotZero();
        scaling.setHashTypes(~(1L << bit));
        assertThat(hash(frame)).isFalse();
        assertThat(scaling.value()).isZero();
    }

    private boolean hash(byte[] frame) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(OFFSET + frame.length);
        bytes.put(OFFSET, frame);
        headers.parse(bytes, OFFSET, frame.length);
        return scaling.hash(bytes, headers);
    }

    private static byte[] frame(L4Protocol protocol, String from, int fromPort, String to, int toPort)
            throws UnknownHostException {
        byte[] source = InetAddress.getByName(from).getAddress();
        byte[] destination = InetAddress.getByName(to).getAddress();
        boolean ipv6 = source.length == 16;
        byte[] frame = Packet.of(ipv6, protocol, 4).onWire();
        ByteBuffer.wrap(frame)
                .position(ipv6 ? 22 : 26)
                .put(source)
                .put(destination)
                .putShort((short) fromPort)
                .putShort((short) toPort);
        return frame;
    }

    /** As the specification puts it: for each bit of the input that is 1, the 32 leftmost bits of the key shifted so far. */
    private static int slowToeplitz(byte[] key, byte[] input) {
        int hash = 0;
        for (int bit = 0; bit < input.length * 8; bit++) {
            if (((input[bit / 8] >> (7 - bit % 8)) & 1) == 1) {
                int window = 0;
                for (int next = bit; next < bit + 32; next++) {
                    window = (window << 1) | ((key[next / 8] >> (7 - next % 8)) & 1);
                }
                hash ^= window;
            }
        }
        return hash;
    }
}
