package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.iavf.TransmitOffload.Network.IPV4_CHECKSUM;
import static vfio.iavf.TransmitOffload.Network.IPV6;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import vfio.iavf.GuestMemory;
import vfio.iavf.TransmitOffload;
import vfio.iavf.TransmitQueue;

/** What virtual functions do to frames that their drivers leave to them. */
class OffloadIT extends DrivenFunctions {
    @Test
    void checksumsAreInserted() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            for (int version : new int[] {4, 6}) {
                for (int protocol : new int[] {Packet.TCP, Packet.UDP}) {
                    for (int length = 0; length < 1400; length += 13) {
                        byte[] finished =
                                Packet.transport(second.mac(), first.mac(), version, protocol, length, length);
                        first.send(Packet.unfinished(finished, false), offload(version, protocol));
                        byte[] expected = Packet.padded(finished);
                        second.receive(0, 1, frame -> {
                            assertThat(frame.toArray()).isEqualTo(expected);
                            assertThat(frame.hasChecksumError()).isFalse();
                        });
                        assertThat(finished).satisfies(frame -> assertThat(Packet.isSound(frame))
                                .isTrue());
                    }
                }
            }
        }
    }

    @Test
    void wrongChecksumsAreNotReportedAsGood() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            for (int version : new int[] {4, 6}) {
                byte[] frame = Packet.transport(second.mac(), first.mac(), version, Packet.TCP, 100, 5);
                frame[frame.length - 1] ^= 0x40;
                first.send(frame);
                second.receive(0, 1, seen -> {
                    assertThat(seen.toArray()).isEqualTo(frame);
                    assertThat(seen.isProcessed() && !seen.hasChecksumError() && isTransportType(seen.packetType()))
                            .as("reported as good")
                            .isFalse();
                });
            }
        }
    }

    @Test
    void longTcpFramesAreCutIntoSegments() {
        try (Station first = open(FIRST);
                Station second = open(SECOND)) {
            GuestMemory memory = first.driver().memory();
            long place = memory.allocate(1 << 17, 4096);
            for (int version : new int[] {4, 6}) {
                for (int payload : new int[] {1461, 1460 * 3, 9000, 30_000, 60_000}) {
                    byte[] whole =
                            Packet.transport(second.mac(), first.mac(), version, Packet.TCP, payload, payload % 100);
                    sendSegmented(first, place, Packet.unfinished(whole, true), version, 1400, payload);
                    assertSegments(whole, 1400, second.receive((payload + 1399) / 1400));
                }
            }
            assertQuiet(second);
        }
    }

    private static TransmitOffload offload(int version, int protocol) {
        return TransmitOffload.checksums(
                version == 4 ? IPV4_CHECKSUM : IPV6,
                protocol == Packet.TCP ? TransmitOffload.Transport.TCP : TransmitOffload.Transport.UDP,
                Packet.MAC_LENGTH,
                version == 4 ? Packet.IPV4_LENGTH : Packet.IPV6_LENGTH,
                protocol == Packet.TCP ? Packet.TCP_LENGTH : Packet.UDP_LENGTH);
    }

    private static boolean isTransportType(int packetType) {
        return List.of(24, 26, 27, 90, 92, 93).contains(packetType);
    }

    /** As the Linux stack does: headers in one fragment, payload in others. */
    private static void sendSegmented(
            Station station, long place, byte[] frame, int version, int maximumSegmentSize, int payload) {
        GuestMemory memory = station.driver().memory();
        memory.bytes().put(place, ByteBuffer.wrap(frame));
        int headers = frame.length - payload;
        int pieces = 1 + (payload + 8191) / 8192;
        long[] addresses = new long[pieces];
        int[] lengths = new int[pieces];
        addresses[0] = memory.address(place);
        lengths[0] = headers;
        int at = headers;
        for (int piece = 1; piece < pieces; piece++) {
            addresses[piece] = memory.address(place + at);
            lengths[piece] = Math.min(8192, frame.length - at);
            at += lengths[piece];
        }
        TransmitOffload offload = offload(version, Packet.TCP).segmented(maximumSegmentSize, payload);
        TransmitQueue queue = station.driver().transmitQueue(0);
        assertThat(queue.post(addresses, lengths, pieces, offload)).isTrue();
        queue.kick();
        station.awaitSent();
    }

    private static void assertSegments(byte[] whole, int maximumSegmentSize, List<byte[]> segments) {
        int headers = Packet.payloadOffset(whole);
        int transport = Packet.transportOffset(whole);
        int at = headers;
        for (int index = 0; index < segments.size(); index++) {
            byte[] segment = segments.get(index);
            int payload = Math.min(maximumSegmentSize, whole.length - at);
            ByteBuffer bytes = ByteBuffer.wrap(segment);
            assertThat(segment.length).as("length of segment %d", index).isEqualTo(headers + payload);
            assertThat(Packet.isSound(segment)).as("segment %d is sound", index).isTrue();
            assertThat(Arrays.copyOfRange(segment, headers, segment.length))
                    .isEqualTo(Arrays.copyOfRange(whole, at, at + payload));
            assertThat(bytes.getInt(transport + 4)).isEqualTo(Packet.SEQUENCE + at - headers);
            boolean last = index == segments.size() - 1;
            int flags = Packet.ACK | (last ? Packet.FIN | Packet.PSH : 0) | (index == 0 ? Packet.CWR : 0);
            assertThat(segment[transport + 13] & 0xff)
                    .as("flags of segment %d", index)
                    .isEqualTo(flags);
            if (segment[Packet.MAC_LENGTH] == 0x45) {
                assertThat(bytes.getShort(Packet.MAC_LENGTH + 4) & 0xffff)
                        .as("identification")
                        .isEqualTo(Packet.IDENTIFICATION + index);
            }
            at += payload;
        }
        assertThat(at).isEqualTo(whole.length);
    }
}
