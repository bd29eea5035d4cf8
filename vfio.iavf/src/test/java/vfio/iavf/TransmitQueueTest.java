package vfio.iavf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TransmitQueueTest {
    private static final int COUNT = 64;
    private static final long IOVA = 0x7_0000_0000L;
    private static final long FRAME = 0x1234_5678_9000L;

    private final GuestMemory memory = GuestMemory.allocate("test", IOVA, 1 << 20);
    private final FakeRegisters registers = new FakeRegisters();
    private final TransmitQueue queue = new TransmitQueue(
            registers, memory, 3, QueueSettings.DEFAULT.withRingSize(COUNT).withBufferSize(1024));
    private final long ring = queue.ringAddress() - IOVA;

    @AfterEach
    void close() {
        memory.close();
    }

    /** Bits as the datasheet's drawing has them, not as our constants have them. */
    @Test
    void descriptorsAreAsTheHardwareWantsThem() {
        TransmitOffload checksums = TransmitOffload.checksums(
                TransmitOffload.Network.IPV4_CHECKSUM, TransmitOffload.Transport.TCP, 14, 20, 20);
        queue.post(FRAME, 1514, TransmitOffload.NONE);
        queue.post(FRAME, 1514, checksums);
        queue.post(FRAME, 8814, checksums.segmented(1460, 8760));

        assertThat(address(0)).isEqualTo(FRAME);
        assertThat(command(0)).isEqualTo(0x70L | 1514L << 34);
        assertThat(command(1)).isEqualTo(0x17a9_4287_1670L);
        assertThat(address(2)).isZero();
        assertThat(command(2)).isEqualTo(0x16d0_088e_0000_0011L);
        assertThat(command(3)).isEqualTo(0x1_4287_1670L | 8814L << 34);
    }

    @Test
    void framesInPiecesEndOnce() {
        assertThat(queue.post(new long[] {FRAME, FRAME + 4096}, new int[] {100, 200}, 2, TransmitOffload.NONE))
                .isTrue();

        assertThat(command(0)).isEqualTo(0x40L | 100L << 34);
        assertThat(command(1)).isEqualTo(0x70L | 200L << 34);
    }

    @Test
    void longFramesAreCopiedIntoSeveralBuffers() {
        ByteBuffer frame = ByteBuffer.allocate(2500);
        frame.put(2499, (byte) 77);

        assertThat(queue.send(frame, TransmitOffload.NONE)).isTrue();

        assertThat(frame.hasRemaining()).isFalse();
        assertThat(command(1)).isEqualTo(0x40L | 1024L << 34);
        assertThat(command(2)).isEqualTo(0x70L | 452L << 34);
        assertThat(memory.bytes().getByte(address(2) - IOVA + 451)).isEqualTo((byte) 77);
    }

    @Test
    void shortFramesArePaddedToWhatTheHardwareTakes() {
        queue.send(ByteBuffer.wrap(new byte[16]), TransmitOffload.NONE);
        queue.send(ByteBuffer.wrap(new byte[18]), TransmitOffload.NONE);

        assertThat(command(0)).isEqualTo(0x70L | 17L << 34);
        assertThat(command(1)).isEqualTo(0x70L | 18L << 34);
    }

    @Test
    void nothingIsShownBeforeKick() {
        queue.post(FRAME, 60, TransmitOffload.NONE);
        assertThat(registers.read(0xc)).isZero();

        queue.kick();

        assertThat(registers.read(0xc)).isOne();
    }

    @Test
    void ringIsFullWithOneSlotEmptyAndGoesRound() {
        for (int round = 0; round < 5; round++) {
            int posted = 0;
            while (queue.post(FRAME + posted, 60, TransmitOffload.NONE)) {
                posted++;
            }
            assertThat(posted).isEqualTo(COUNT - 1);
            assertThat(queue.free()).isZero();
            queue.kick();
            for (int index = 0; index < COUNT - 1; index++) {
                finish((round * (COUNT - 1) + index) % COUNT);
            }
            assertThat(queue.reclaim()).isEqualTo(COUNT - 1);
            assertThat(queue.isIdle()).isTrue();
        }
    }

    @Test
    void framesComeBackInOrderAndOnlyWhenDone() {
        queue.post(new long[] {FRAME, FRAME}, new int[] {100, 100}, 2, TransmitOffload.NONE);
        queue.post(FRAME, 60, TransmitOffload.NONE);
        queue.kick();
        assertThat(queue.reclaim()).isZero();

        finish(1);
        assertThat(queue.reclaim()).isOne();
        assertThat(queue.free()).isEqualTo(COUNT - 2);
        memory.bytes().putLong(ring + 2 * 16 + 8, 0xf);
        assertThat(queue.reclaim()).isOne();
    }

    @Test
    void changedAddressIsViolation() {
        queue.post(new long[] {FRAME, FRAME}, new int[] {100, 100}, 2, TransmitOffload.NONE);
        queue.kick();
        memory.bytes().putLong(ring, 1);
        finish(1);

        assertThatThrownBy(queue::reclaim).isInstanceOf(DeviceViolation.class).hasMessageContaining("TX descriptor 0");
    }

    @Test
    void otherBitsWrittenBackAreViolation() {
        queue.post(FRAME, 60, TransmitOffload.NONE);
        queue.kick();
        memory.bytes().putLong(ring + 8, 0x1000_000f);

        assertThatThrownBy(queue::reclaim).isInstanceOf(DeviceViolation.class).hasMessageContaining("came back");
    }

    @Test
    void completionOutOfOrderIsViolation() {
        queue.post(FRAME, 60, TransmitOffload.NONE);
        queue.post(FRAME, 60, TransmitOffload.NONE);
        queue.kick();
        queue.checkUntouched();
        finish(1);

        assertThatThrownBy(queue::checkUntouched).isInstanceOf(DeviceViolation.class);
    }

    @Test
    void completionBeyondTailIsViolation() {
        queue.post(FRAME, 60, TransmitOffload.NONE);
        finish(0);

        assertThat(queue.reclaim()).isZero();
        assertThatThrownBy(queue::checkUntouched).isInstanceOf(DeviceViolation.class);
    }

    private void finish(int index) {
        memory.bytes().putLong(ring + index * 16L + 8, command(index) | 0xf);
    }

    private long address(int index) {
        return memory.bytes().getLong(ring + index * 16L);
    }

    private long command(int index) {
        return memory.bytes().getLong(ring + index * 16L + 8);
    }
}
