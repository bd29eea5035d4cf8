package vfio.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciRegion;

class EmbeddedRuntimeTest {

    @Test
    void oneDeviceIsMediatedAndTheOtherIsNot(@TempDir Path storage) throws Exception {
        try (EmbeddedRuntime runtime = EmbeddedRuntime.start(storage);
                OpenDevice passedThrough = runtime.openPassedThrough();
                OpenDevice mediated = runtime.openMediated()) {
            RegionAccess access = new RegionAccess();
            ByteBuffer data = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
            passedThrough.read(access.wrap(PciRegion.BAR0, Messages.RSTAT, 4, data, 0));
            assertThat(data.getInt(0)).isEqualTo(2);
            mediated.read(access.wrap(PciRegion.BAR0, Messages.RSTAT, 4, data, 0));
            assertThat(passedThrough.counters()).isEmpty();
            assertThat(mediated.counters()).containsEntry("bar0.reads.trapped", 1L);
        }
    }
}
