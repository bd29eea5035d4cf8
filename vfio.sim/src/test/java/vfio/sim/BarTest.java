package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;

class BarTest {
    private final HeapMemory memory = new HeapMemory("bar", 0x4000);
    private final List<Long> written = new ArrayList<>();
    private int reads;
    private final ByteBuffer buffer = ByteBuffer.allocate(0x4000).order(ByteOrder.LITTLE_ENDIAN);
    private final Bar bar = new Bar(
            new BarShape(0, BarShape.Kind.MEMORY_64, 0x4000, true),
            memory,
            List.of(
                    Register.wideAt(0x1020, "wide")
                            .reset(0x1122_3344_5566_7788L)
                            .writable(0xffL),
                    Register.at(0x1010, "handled").onRead(this::count).onWrite(written::add),
                    Register.at(0x3000, "plain with reset").reset(7)),
            0x4000);

    private long count() {
        return 0xa0b0_c0d0L + reads++;
    }

    @Test
    void offersPagesWithoutBehaviour() {
        assertThat(bar.info().areas()).containsExactly(SparseArea.direct(0, 0x1000), SparseArea.direct(0x2000, 0x2000));
        assertThat(bar.info().is(RegionInfo.Flag.MMAP)).isTrue();
        assertThat(bar.mappableMemory()).isSameAs(memory);
    }

    @Test
    void barWithoutBehaviourIsMappableAsAWhole() {
        Bar plain = new Bar(new BarShape(2, BarShape.Kind.MEMORY_64, 0x4000, true), memory, List.of(), 0);
        assertThat(plain.info()).isEqualTo(RegionInfo.mappable(2, 0x4000));
    }

    @Test
    void trappedBarLendsNoMemory() {
        Bar trapped = new Bar(new BarShape(2, BarShape.Kind.MEMORY_64, 0x4000, false), memory, List.of(), 0);
        assertThat(trapped.info()).isEqualTo(RegionInfo.trapped(2, 0x4000));
        assertThat(trapped.mappableMemory()).isNull();
    }

    @Test
    void barWhosePagesAllHaveBehaviourIsNotMappable() {
        Bar small = new Bar(
                new BarShape(0, BarShape.Kind.MEMORY_32, 0x1000, true),
                memory,
                List.of(Register.at(0, "one").readOnly(), Register.at(8, "two").readOnly()),
                0);
        assertThat(small.info().is(RegionInfo.Flag.MMAP)).isFalse();
        assertThat(small.info().mappableAreas()).isEmpty();
    }

    @Test
    void trappedAndMappedAccessMeetInTheSameBytes() {
        write(0x123, 2, 0xbeef);
        assertThat(memory.getByte(0x123)).isEqualTo((byte) 0xef);
        memory.putInt(0x200, 0x01020304);
        assertThat(read(0x201, 2)).isEqualTo(0x0203);
    }

    @Test
    void registerBehavesOncePerAccessOfAnyWidth() {
        assertThat(read(0x1010, 4)).isEqualTo(0xa0b0_c0d0L);
        assertThat(read(0x1011, 1)).isEqualTo(0xc0);
        assertThat(read(0x1012, 2)).isEqualTo(0xa0b0);
        assertThat(read(0x1010, 8)).isEqualTo(0xa0b0_c0d3L);
        assertThat(read(0x100c, 8)).isEqualTo(0xa0b0_c0d4_0000_0000L);
        assertThat(reads).isEqualTo(5);
    }

    @Test
    void partOfARegisterIsMergedWithWhatIsStored() {
        memory.putInt(0x1010, 0x1111_1111);
        write(0x1011, 1, 0xee);
        write(0x1010, 8, 0x9999_9999_2222_2222L);
        write(0x100e, 4, 0x3333_4444);
        assertThat(written).containsExactly(0x1111_ee11L, 0x2222_2222L, 0x1111_3333L);
        assertThat(memory.getInt(0x1014)).isEqualTo(0x9999_9999);
        assertThat(memory.getShort(0x100e)).isEqualTo(0x4444);
    }

    @Test
    void onlyWritableBitsAreStored() {
        write(0x1020, 8, -1);
        assertThat(read(0x1020, 8)).isEqualTo(0x1122_3344_5566_77ffL);
        write(0x1024, 4, 0);
        assertThat(read(0x1024, 4)).isEqualTo(0x1122_3344L);
        assertThat(read(0x1020, 4)).isEqualTo(0x5566_77ffL);
        assertThat(read(0x1021, 1)).isEqualTo(0x77);
    }

    @Test
    void largeAccessCoversStorageAndRegisters() {
        memory.putInt(0x1ffc, 0xcafe);
        RegionAccess access = new RegionAccess().wrap(0, 0x0ffd, 0x2007, buffer, 0);
        bar.read(access);
        assertThat(access.getInt(0x1010 - 0x0ffd)).isEqualTo(0xa0b0_c0d0);
        assertThat(access.getLong(0x1020 - 0x0ffd)).isEqualTo(0x1122_3344_5566_7788L);
        assertThat(access.getInt(0x1ffc - 0x0ffd)).isEqualTo(0xcafe);
        assertThat(access.getInt(0x3000 - 0x0ffd)).isEqualTo(7);
        assertThat(reads).isEqualTo(1);
    }

    @Test
    void resetClearsStorageAndRestoresRegisters() {
        write(0x40, 4, 1);
        write(0x3000, 4, 1);
        write(0x1020, 1, 0);
        bar.reset();
        assertThat(memory.getInt(0x40)).isZero();
        assertThat(memory.getInt(0x3000)).isEqualTo(7);
        assertThat(read(0x1020, 8)).isEqualTo(0x1122_3344_5566_7788L);
    }

    private long read(long offset, int width) {
        RegionAccess access = new RegionAccess().wrap(0, offset, width, buffer, 0);
        bar.read(access);
        return access.value();
    }

    private void write(long offset, int width, long value) {
        RegionAccess access = new RegionAccess().wrap(0, offset, width, buffer, 0);
        access.setValue(value);
        bar.write(access);
    }
}
