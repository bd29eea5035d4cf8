package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class OffloadAllocationTest {
    private static final int ROUNDS = 5_000;

    private final ByteBuffer frame = ByteBuffer.allocateDirect(65_536 + TransmitOffload.ROOM);
    private final TransmitOffload offload = new TransmitOffload();
    private final FrameSink sink = this::count;
    private long frames;
    private long bits;

    @Test
    void sendingAllocatesNothing() {
        Packet[] packets = {
            Packet.of(false, L4Protocol.TCP, 20_000),
            Packet.of(true, L4Protocol.TCP, 1400),
            Packet.of(false, L4Protocol.UDP, 0),
            Packet.of(true, L4Protocol.SCTP, 1000)
        };
        byte[][] prepared = new byte[packets.length][];
        TransmitRequest[] requests = new TransmitRequest[packets.length];
        for (int index = 0; index < packets.length; index++) {
            prepared[index] = index == 0 ? packets[0].forSegmentation() : packets[index].withPseudoHeader();
            requests[index] = index == 0 ? packets[0].request(1448) : packets[index].request();
        }
        assertNothingIsAllocated(() -> {
            for (int index = 0; index < prepared.length; index++) {
                frame.put(0, prepared[index]);
                offload.send(requests[index], frame, 0, prepared[index].length, sink);
            }
        });
        assertThat(frames).isEqualTo((14 + 3) * 2L * ROUNDS);
    }

    @Test
    void receivingAllocatesNothing() {
        FrameHeaders headers = new FrameHeaders();
        ReceiveClassification classification = new ReceiveClassification();
        ReceiveSideScaling scaling = new ReceiveSideScaling();
        scaling.setKey(Packet.pattern(ReceiveSideScaling.KEY_SIZE));
        scaling.setHashTypes(ReceiveSideScaling.DEFAULT_HASH_TYPES);
        byte[] tcp = new Packet(1, true, 0, L4Protocol.TCP, 0, 0, 0, 0, Packet.pattern(1400)).onWire();
        byte[] sctp = Packet.of(false, L4Protocol.SCTP, 1400).onWire();
        frame.put(0, tcp);
        frame.put(2000, sctp);
        assertNothingIsAllocated(() -> {
            headers.parse(frame, 0, tcp.length);
            frames += scaling.hash(frame, headers) ? 1 : 0;
            bits |= classification.classify(frame, headers, false);
            headers.parse(frame, 2000, sctp.length);
            frames += scaling.hash(frame, headers) ? 1 : 0;
            bits |= classification.classify(frame, headers, false);
        });
        assertThat(frames).isEqualTo(4 * ROUNDS);
        assertThat(bits & ReceiveClassification.ERROR_L4E).isZero();
    }

    private void count(ByteBuffer bytes, int offset, int length) {
        frames++;
    }

    private static void assertNothingIsAllocated(Runnable work) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        repeat(work);
        long before = threads.getThreadAllocatedBytes(id);
        repeat(work);
        long perRound = (threads.getThreadAllocatedBytes(id) - before) / ROUNDS;
        assertThat(perRound).as("bytes per round").isZero();
    }

    private static void repeat(Runnable work) {
        for (int round = 0; round < ROUNDS; round++) {
            work.run();
        }
    }
}
