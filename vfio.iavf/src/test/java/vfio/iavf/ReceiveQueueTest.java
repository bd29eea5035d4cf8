package vfio.iavf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ReceiveQueueTest {
    private static final int COUNT = 64;
    private static final int BUFFER = 1024;
    private static final long IOVA = 0x7_0000_0000L;
    private static final int TAIL = 0x2008;
    private static final int MAXIMUM = 3000;

    private final GuestMemory memory = GuestMemory.allocate("test", IOVA, 1 << 20);
    private final FakeRegisters registers = new FakeRegisters();
    private final ReceiveQueue queue = new ReceiveQueue(
            registers, memory, 2, new QueueSettings(1, COUNT, BUFFER, MAXIMUM - 26), DriverOptions.DEFAULT);
    private final long ring = queue.ringAddress() - IOVA;
    private final List<byte[]> received = new ArrayList<>();

    /** What the device does next. */
    private int head;

    @BeforeEach
    void start() {
        queue.start();
    }

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void allButOneAreOffered() {
        assertThat(registers.read(TAIL)).isEqualTo(COUNT - 1);
        assertThat(quadword(0, 0)).isGreaterThanOrEqualTo(IOVA);
        assertThat(quadword(5, 0) - quadword(4, 0)).isEqualTo(BUFFER);
        assertThat(quadword(7, 1)).isZero();
        assertThat(poll()).isZero();
    }

    @Test
    void frameIsWhatTheDeviceWrote() {
        byte[] frame = frame(100);
        deliver(frame, 0x5a5a_0001_0000_0000L, status(100, true) | 1 << 3 | 3 << 12 | 26L << 30);

        queue.poll(
                seen -> {
                    assertThat(seen.toArray()).isEqualTo(frame);
                    assertThat(seen.length()).isEqualTo(100);
                    assertThat(seen.hasHash()).isTrue();
                    assertThat(seen.hash()).isEqualTo(0x5a5a_0001);
                    assertThat(seen.packetType()).isEqualTo(26);
                    assertThat(seen.isProcessed()).isTrue();
                    assertThat(seen.hasChecksumError()).isFalse();
                    assertThat(seen.destination()).isEqualTo(ReceivedFrame.Destination.UNICAST);
                    assertThat(seen.etherType()).isEqualTo(0x0d0c);
                    received.add(frame);
                },
                10);

        assertThat(received).hasSize(1);
    }

    @Test
    void longFramesTakeSeveralBuffersAlsoRoundTheEnd() {
        for (int round = 0; round < 100; round++) {
            int size = 60 + round * 29;
            byte[] frame = frame(size);
            deliver(frame);
            assertThat(poll()).isOne();
            assertThat(received.get(round)).isEqualTo(frame);
        }
        assertThat(head).isNotZero();
    }

    @Test
    void buffersGoBackSixteenAtTime() {
        for (int number = 0; number < 15; number++) {
            deliver(frame(60));
        }
        assertThat(poll()).isEqualTo(15);
        assertThat(registers.read(TAIL)).isEqualTo(COUNT - 1);

        deliver(frame(60));
        assertThat(poll()).isOne();

        assertThat(registers.read(TAIL)).isEqualTo(15);
        assertThat(quadword(15, 1)).as("the slot at the tail").isZero();
        assertThat(quadword(14, 1)).isZero();
        assertThat(quadword(3, 0)).isEqualTo(quadword(4, 0) - BUFFER);
    }

    @Test
    void budgetIsKept() {
        deliver(frame(60));
        deliver(frame(61));
        assertThat(queue.poll(seen -> received.add(seen.toArray()), 1)).isOne();
        assertThat(queue.isReady()).isTrue();
        assertThat(poll()).isOne();
        assertThat(queue.isReady()).isFalse();
    }

    @Test
    void frameWithoutItsEndWaits() {
        byte[] frame = frame(1500);
        write(0, frame, 0, BUFFER, status(BUFFER, false));
        assertThat(poll()).isZero();
        write(1, frame, BUFFER, 476, status(476, true));
        assertThat(poll()).isOne();
        assertThat(received.get(0)).isEqualTo(frame);
    }

    @Test
    void writingSlotThatIsNotOfferedIsViolation() {
        memory.bytes().putLong(ring + (COUNT - 1) * 32L + 8, status(60, true));
        assertThatThrownBy(this::poll)
                .isInstanceOf(DeviceViolation.class)
                .hasMessageContaining("RX descriptor 63 was written, but was not offered");
    }

    @Test
    void zeroLengthIsViolation() {
        deliver(frame(60), 0, status(0, true));
        assertViolation("has a length out of range");
    }

    @Test
    void lengthBeyondBufferIsViolation() {
        deliver(frame(60), 0, status(BUFFER + 1, true));
        assertViolation("has a length out of range");
    }

    @Test
    void shortPartBeforeTheEndIsViolation() {
        write(0, frame(1000), 0, 1000, status(1000, false));
        assertViolation("neither the end of its frame nor full");
    }

    @Test
    void unpaddedFrameIsViolation() {
        deliver(frame(59));
        assertViolation("shorter than Ethernet allows");
    }

    @Test
    void frameLongerThanAgreedIsViolation() {
        deliver(frame(MAXIMUM + 1));
        assertThatThrownBy(this::poll)
                .isInstanceOf(DeviceViolation.class)
                .hasMessageContaining("longer than the queue takes");
    }

    @Test
    void statusNobodyAskedForIsViolation() {
        for (int bit : new int[] {2, 4, 5, 11, 16, 18, 19, 20, 21, 24, 25, 26, 52, 63}) {
            memory.bytes().putLong(ring + 8, status(60, true) | 1L << bit);
            assertViolation("says what nobody asked for");
        }
    }

    @Test
    void writeWithoutDoneIsViolation() {
        memory.bytes().putLong(ring + 8, 60L << 38);
        assertViolation("was written without DD");
    }

    @Test
    void wrongKindOfDestinationIsViolation() {
        byte[] multicast = frame(60);
        multicast[0] = 1;
        deliver(multicast);
        assertViolation("is wrong about the kind of its destination");
    }

    @Test
    void checksumErrorWithoutLookIsViolation() {
        deliver(frame(60), 0, status(60, true) | 1 << 23);
        assertViolation("reports a checksum that was not looked at");
    }

    @Test
    void writingBehindTheFrameIsViolation() {
        memory.bytes().putByte(quadword(0, 0) - IOVA + 1023, (byte) 0);
        deliver(frame(100));
        assertViolation("was written beyond the frame");
    }

    private void assertViolation(String what) {
        assertThatThrownBy(this::poll)
                .isInstanceOf(DeviceViolation.class)
                .hasMessageContaining("RX descriptor 0 ")
                .hasMessageContaining(what);
    }

    private int poll() {
        return queue.poll(seen -> received.add(seen.toArray()), Integer.MAX_VALUE);
    }

    private void deliver(byte[] frame) {
        deliver(frame, 0, 0);
    }

    private void deliver(byte[] frame, long first, long last) {
        int at = 0;
        do {
            int part = Math.min(BUFFER, frame.length - at);
            boolean end = at + part == frame.length;
            write(head, frame, at, part, end && last != 0 ? last : status(part, end));
            if (end) {
                memory.bytes().putLong(ring + head * 32L, first);
            }
            head = (head + 1) % COUNT;
            at += part;
        } while (at < frame.length);
    }

    private void write(int slot, byte[] frame, int from, int size, long status) {
        memory.bytes().put(quadword(slot, 0) - IOVA, ByteBuffer.wrap(frame, from, size));
        memory.bytes().putLong(ring + slot * 32L + 8, status);
    }

    private long quadword(int slot, int number) {
        return memory.bytes().getLong(ring + slot * 32L + number * 8L);
    }

    private static long status(int length, boolean end) {
        return 1 | (end ? 2 : 0) | (long) length << 38;
    }

    private static byte[] frame(int size) {
        byte[] frame = new byte[size];
        for (int index = 0; index < size; index++) {
            frame[index] = (byte) (index * 31 + size);
        }
        frame[0] = 2;
        frame[12] = 0x0d;
        frame[13] = 0x0c;
        return frame;
    }
}
