package vfio.pci.api.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RegionAccessTest {
    private static final int BASE = 5;

    private final ByteBuffer buffer = ByteBuffer.allocate(32).order(ByteOrder.LITTLE_ENDIAN);
    private final RegionAccess access = new RegionAccess();

    @Test
    void tellsWhereItGoes() {
        access.wrap(3, 0x8_0000_0000L, 8, buffer, BASE);

        assertThat(access.region()).isEqualTo(3);
        assertThat(access.offset()).isEqualTo(0x8_0000_0000L);
        assertThat(access.length()).isEqualTo(8);
        assertThat(access).hasToString("region 3 offset 0x800000000 length 8");
    }

    @ParameterizedTest(name = "length {0} from {1} in 32 bytes")
    @CsvSource({"0,0", "-1,0", "1,-1", "1,32", "33,0", "8,25", "2147483647,1", "1,2147483647", "-2147483648,0"})
    void refusesDataOutsideTheBuffer(int length, int base) {
        assertThatIllegalArgumentException().isThrownBy(() -> access.wrap(0, 0, length, buffer, base));
    }

    @Test
    void refusesDataBeyondTheLimitOfTheBuffer() {
        buffer.limit(8);

        assertThatIllegalArgumentException().isThrownBy(() -> access.wrap(0, 0, 4, buffer, 5));
        assertThat(access.wrap(0, 0, 4, buffer, 4).length()).isEqualTo(4);
    }

    @Test
    void refusesBigEndianBuffers() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> access.wrap(0, 0, 4, ByteBuffer.allocate(4), 0))
                .withMessageContaining("little-endian");
    }

    @Test
    void staysAsItWasWhenItIsPointedWrong() {
        access.wrap(1, 2, 3, buffer, 4);

        assertThatIllegalArgumentException().isThrownBy(() -> access.wrap(9, 9, 99, buffer, 0));
        assertThat(access).hasToString("region 1 offset 0x2 length 3");
    }

    @Test
    void readsAndWritesLittleEndianAtTheDataIndex() {
        access.wrap(0, 0, 16, buffer, BASE);
        access.put(0, (byte) 0x01);
        access.putShort(1, 0x0302);
        access.putInt(3, 0x07060504);
        access.putLong(7, 0x0f0e0d0c0b0a0908L);

        for (int index = 0; index < 15; index++) {
            assertThat(buffer.get(BASE + index)).as("byte %d", index).isEqualTo((byte) (index + 1));
        }
        assertThat(access.get(14)).isEqualTo((byte) 0x0f);
        assertThat(access.getShort(1)).isEqualTo(0x0302);
        assertThat(access.getInt(3)).isEqualTo(0x07060504);
        assertThat(access.getLong(7)).isEqualTo(0x0f0e0d0c0b0a0908L);
    }

    /** Neither in front of the data nor behind it, whatever the width. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 7, 8, 16})
    void neverReachesTheRestOfTheBuffer(int length) {
        for (int index = -9; index <= length + 9; index++) {
            int at = index;
            access.wrap(0, 0, length, buffer, BASE);
            expectRefusal(index, 1, length, () -> access.get(at), () -> access.put(at, (byte) 1));
            expectRefusal(index, 2, length, () -> access.getShort(at), () -> access.putShort(at, 1));
            expectRefusal(index, 4, length, () -> access.getInt(at), () -> access.putInt(at, 1));
            expectRefusal(index, 8, length, () -> access.getLong(at), () -> access.putLong(at, 1));
        }
        for (int index : new int[] {Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> access.getLong(index));
        }
        assertThat(new byte[BASE]).isEqualTo(bytes(0, BASE));
        assertThat(new byte[32 - BASE - length]).isEqualTo(bytes(BASE + length, 32));
    }

    private static void expectRefusal(int index, int width, int length, Runnable read, Runnable write) {
        if (index >= 0 && index + width <= length) {
            read.run();
            write.run();
            return;
        }
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .as("read of width %d at %d in %d", width, index, length)
                .isThrownBy(read::run);
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .as("write of width %d at %d in %d", width, index, length)
                .isThrownBy(write::run);
    }

    @ParameterizedTest
    @CsvSource({"1,0xff", "2,0xffff", "4,0xffffffff"})
    void valuesAreZeroExtended(int length, String all) {
        access.wrap(0, 0, length, buffer, BASE).fill((byte) -1);

        assertThat(access.value()).isEqualTo(Long.decode(all));
    }

    @Test
    void valueOfEightBytesIsTheWholeLong() {
        access.wrap(0, 0, 8, buffer, BASE).setValue(0x8000_0000_0000_0001L);

        assertThat(access.value()).isEqualTo(0x8000_0000_0000_0001L);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8})
    void setValueTakesTheLowBytesAndTouchesNothingElse(int length) {
        access.wrap(0, 0, length, buffer, BASE).setValue(0x1122_3344_5566_7788L);

        long kept = length == 8 ? -1 : (1L << (8 * length)) - 1;
        assertThat(access.value()).isEqualTo(0x1122_3344_5566_7788L & kept);
        assertThat(buffer.get(BASE - 1)).isZero();
        assertThat(buffer.get(BASE + length)).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 5, 6, 7, 9, 16})
    void otherLengthsAreNoRegisterAccess(int length) {
        access.wrap(0, 0, length, buffer, 0);

        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(access::value)
                .extracting(VfioException::errno)
                .isEqualTo(Errno.EINVAL);
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> access.setValue(1))
                .extracting(VfioException::errno)
                .isEqualTo(Errno.EINVAL);
    }

    @Test
    void copiesOutAndInAndAdvancesTheOtherBuffer() {
        access.wrap(0, 0, 6, buffer, BASE);
        ByteBuffer source = ByteBuffer.wrap(new byte[] {9, 1, 2, 3, 9});
        source.position(1).limit(4);
        access.copyFrom(2, source);
        ByteBuffer destination = ByteBuffer.allocate(6);
        destination.position(1).limit(5);
        access.copyTo(2, destination);

        assertThat(source.remaining()).isZero();
        assertThat(destination.remaining()).isZero();
        assertThat(destination.array()).containsExactly(0, 1, 2, 3, 0, 0);
        assertThat(bytes(BASE, BASE + 6)).containsExactly(0, 0, 1, 2, 3, 0);
    }

    @Test
    void copiesNothingFromTheEnd() {
        access.wrap(0, 0, 4, buffer, BASE);
        access.copyTo(4, ByteBuffer.allocate(0));
        access.copyFrom(4, ByteBuffer.allocate(0));

        assertThat(bytes(0, 32)).containsOnly(0);
    }

    @ParameterizedTest
    @CsvSource({"-1,1", "0,5", "4,1", "3,2", "2147483647,2"})
    void refusesToCopyBeyondTheData(int index, int count) {
        access.wrap(0, 0, 4, buffer, BASE);

        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> access.copyTo(index, ByteBuffer.allocate(count)));
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> access.copyFrom(index, ByteBuffer.allocate(count)));
    }

    @Test
    void fillStaysInside() {
        access.wrap(0, 0, 3, buffer, BASE).fill((byte) 7);

        assertThat(bytes(BASE - 1, BASE + 4)).containsExactly(0, 7, 7, 7, 0);
    }

    private byte[] bytes(int from, int to) {
        byte[] bytes = new byte[to - from];
        buffer.get(from, bytes);
        return bytes;
    }
}
