package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;

class NativeBufferTest {
    @Test
    void isZeroedLittleEndianAndPageAligned() {
        try (NativeBuffer buffer = NativeBuffer.allocate(10_000)) {
            assertThat(buffer.capacity()).isEqualTo(10_000);
            assertThat(buffer.bytes().capacity()).isEqualTo(10_000);
            assertThat(buffer.bytes().isDirect()).isTrue();
            assertThat(buffer.bytes().order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
            assertThat(buffer.bytes().getLong(9_992)).isZero();
            assertThat(buffer.bytes()).isSameAs(buffer.bytes());
            assertThat(buffer.address() % Libc.getpagesize()).isZero();
            assertThat(buffer.address(100, 9_900)).isEqualTo(buffer.address() + 100);
        }
    }

    @Test
    void checksRanges() {
        try (NativeBuffer buffer = NativeBuffer.allocate(100)) {
            assertThatThrownBy(() -> buffer.address(1, 100)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> buffer.address(-1, 1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> buffer.address(1, Integer.MAX_VALUE))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> NativeBuffer.allocate(0));
    }

    @Test
    void isGoneAfterClose() {
        NativeBuffer buffer = NativeBuffer.allocate(4096);
        buffer.close();
        buffer.close();
        Expect.failure(Errno.EFAULT, buffer::bytes);
        Expect.failure(Errno.EFAULT, buffer::address);
    }

    @Test
    void costsAddressesOnlyUntilTouched() {
        NativeBuffer[] buffers = new NativeBuffer[16];
        for (int index = 0; index < buffers.length; index++) {
            buffers[index] = NativeBuffer.allocate(Integer.MAX_VALUE);
            buffers[index].bytes().put(Integer.MAX_VALUE - 1, (byte) 1);
        }
        for (NativeBuffer buffer : buffers) {
            buffer.close();
        }
    }
}
