package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumSet;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Mediation.Result;

class DynamicTrapRegionTest {
    private final FakeContext context = new FakeContext();
    private final DynamicTrapRegion region = DynamicTrapRegion.add(context);
    private final ByteBuffer data = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);

    @Test
    void isAddedWithTypeAndSubtype() {
        assertThat(context.added)
                .containsExactly(
                        new RegionInfo(0, 8, EnumSet.of(RegionInfo.Flag.READ, RegionInfo.Flag.WRITE), List.of(), 4, 1));
        assertThat(region.index()).isEqualTo(FakeContext.INDEX);
    }

    @Test
    void saysWhetherToTrap() {
        data.putInt(0, -1);
        assertThat(region.read(access(4, 4))).isEqualTo(Result.DONE);
        assertThat(data.getInt(0)).isZero();

        context.trapRequested = true;
        assertThat(region.read(access(4, 4))).isEqualTo(Result.DONE);
        assertThat(data.getInt(0)).isEqualTo(1);
    }

    @Test
    void refusesADescriptorAndSaysWhatToUse() {
        assertThatThrownBy(() -> region.write(access(0, 4)))
                .hasMessageContaining("SET_IRQS")
                .hasMessageContaining("index 5")
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EOPNOTSUPP));
    }

    /** However often a client tries: it is not the one that reads the log. */
    @Test
    void theLogSaysOnceWhatToUse() {
        for (int attempt = 0; attempt < 3; attempt++) {
            assertFails(Errno.EOPNOTSUPP, () -> region.write(access(0, 4)));
        }

        assertThat(context.warnings).singleElement().asString().contains("SET_IRQS");
    }

    @Test
    void refusesTheWrongDirection() {
        assertFails(Errno.EACCES, () -> region.read(access(0, 4)));
        assertFails(Errno.EACCES, () -> region.write(access(4, 4)));
    }

    /** Both words at once, parts of a word, and what lies across two. */
    @ParameterizedTest
    @CsvSource({"0, 8", "0, 1", "0, 2", "4, 1", "4, 2", "6, 2", "5, 1", "2, 4", "3, 2", "1, 4", "4, 3"})
    void refusesWhatIsNotAWord(long offset, int length) {
        data.putLong(0, 0x0102_0304_0506_0708L);

        assertFails(Errno.EINVAL, () -> region.read(access(offset, length)));
        assertFails(Errno.EINVAL, () -> region.write(access(offset, length)));
        assertThat(data.getLong(0)).isEqualTo(0x0102_0304_0506_0708L);
    }

    private RegionAccess access(long offset, int length) {
        return new RegionAccess().wrap(region.index(), offset, length, data, 0);
    }

    private static void assertFails(Errno expected, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(expected));
    }
}
