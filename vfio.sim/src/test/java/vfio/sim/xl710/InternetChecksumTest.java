package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class InternetChecksumTest {
    private static final int CAPACITY = 4096;

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(CAPACITY);

    @Example
    void theExampleOfRfc1071() {
        byte[] example = {0x00, 0x01, (byte) 0xf2, 0x03, (byte) 0xf4, (byte) 0xf5, (byte) 0xf6, (byte) 0xf7};
        bytes.put(3, example);
        assertThat(InternetChecksum.sum(bytes, 3, example.length)).isEqualTo(0xddf2);
        assertThat(InternetChecksum.checksum(0xddf2)).isEqualTo(0x220d);
    }

    @Property(tries = 2000)
    void anyRangeSumsAsWordsDo(
            @ForAll long seed,
            @ForAll @IntRange(max = 40) int offset,
            @ForAll @IntRange(max = CAPACITY - 40) int length) {
        fill(seed);
        assertThat(InternetChecksum.sum(bytes, offset, length)).isEqualTo(slowSum(offset, length));
    }

    @Property(tries = 2000)
    void shortRangesSumAsWordsDo(
            @ForAll @Size(48) byte[] content,
            @ForAll @IntRange(max = 9) int offset,
            @ForAll @IntRange(max = 39) int length) {
        bytes.put(0, content);
        assertThat(InternetChecksum.sum(bytes, offset, length)).isEqualTo(slowSum(offset, length));
    }

    @Property
    void partsSumToTheWhole(
            @ForAll long seed,
            @ForAll @IntRange(max = 99) int first,
            @ForAll @IntRange(max = 99) int second,
            @ForAll @IntRange(max = 99) int third) {
        fill(seed);
        int sum = InternetChecksum.sum(bytes, 1, first);
        sum = InternetChecksum.append(sum, first, InternetChecksum.sum(bytes, 1 + first, second));
        sum = InternetChecksum.append(sum, first + second, InternetChecksum.sum(bytes, 1 + first + second, third));
        assertThat(sum).isEqualTo(slowSum(1, first + second + third));
    }

    @Example
    void theLargestSumDoesNotOverflow() {
        ByteBuffer ones = ByteBuffer.allocateDirect(262_144);
        while (ones.hasRemaining()) {
            ones.put((byte) 0xff);
        }
        assertThat(InternetChecksum.sum(ones, 0, 262_144)).isEqualTo(0xffff);
        assertThat(InternetChecksum.sum(ones, 0, 262_143)).isEqualTo(0xff00);
        assertThat(InternetChecksum.add(0xffff, 0xffff)).isEqualTo(0xffff);
        assertThat(InternetChecksum.add(0xffff, Integer.MAX_VALUE)).isEqualTo(0x7fff);
    }

    @Example
    void onlyZerosSumToZero() {
        assertThat(InternetChecksum.sum(bytes, 5, 0)).isZero();
        assertThat(InternetChecksum.sum(bytes, 5, 1001)).isZero();
    }

    @Example
    void nothingBeyondTheBufferIsRead() {
        assertThatThrownBy(() -> InternetChecksum.sum(bytes, CAPACITY - 20, 21))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    private void fill(long seed) {
        byte[] content = new byte[CAPACITY];
        new Random(seed).nextBytes(content);
        bytes.put(0, content);
    }

    private int slowSum(int offset, int length) {
        int sum = 0;
        for (int index = 0; index < length; index++) {
            sum += (bytes.get(offset + index) & 0xff) << (index % 2 == 0 ? 8 : 0);
            sum = sum > 0xffff ? sum - 0xffff : sum;
        }
        return sum;
    }
}
