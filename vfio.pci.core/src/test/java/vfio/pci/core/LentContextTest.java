package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.pci.core.Errors.assertRefused;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.manage.ClientMemory;

/** A vendor is not trusted with bounds, even on its way to the hardware. */
class LentContextTest {
    private final FakeHardware hardware = FakeHardware.with(
            RegionInfo.mappable(0, 0x1000),
            new RegionInfo(1, 0x1000, Set.of(Flag.READ), List.of(), 0, 0),
            new RegionInfo(2, 0x1000, Set.of(Flag.WRITE), List.of(), 0, 0),
            RegionInfo.absent(3));
    private final DmaMap dma = new DmaMap(ClientMemory.NONE);
    private final LentContext context = new LentContext(
            new FakeFunction(hardware),
            hardware,
            dma,
            new TrapSwitch(FakeFunction.ADDRESS, new VendorCalls(), trapped -> {}),
            Optional.empty(),
            "vendor",
            () -> {});

    @Test
    void lendsTheHardware() {
        context.hardware().read(Setting.access(0, 0xffc, 4));
        context.hardware().write(Setting.access(0, 0, 4));

        assertThat(hardware.reads).isEqualTo(1);
        assertThat(hardware.writes).isEqualTo(1);
        assertThat(context.hardware().regionCount()).isEqualTo(4);
        assertThat(context.hardware().regionInfo(1)).isEqualTo(hardware.regions.get(1));
        assertThat(context.device().address()).isEqualTo(FakeFunction.ADDRESS);
        assertThat(context.logger().getName()).isEqualTo("vendor.0000:03:02.0");
    }

    @Test
    void checksBoundsAndPermission() {
        assertRefused(Errno.EINVAL, () -> context.hardware().read(Setting.access(0, 0xffd, 4)));
        assertRefused(Errno.EINVAL, () -> context.hardware().write(Setting.access(0, -4, 4)));
        assertRefused(Errno.EINVAL, () -> context.hardware().read(Setting.access(3, 0, 1)));
        assertRefused(Errno.EINVAL, () -> context.hardware().read(Setting.access(4, 0, 1)));
        assertRefused(Errno.EINVAL, () -> context.hardware().regionInfo(-1));
        assertRefused(Errno.EINVAL, () -> context.hardware().memory(4));
        assertRefused(Errno.EACCES, () -> context.hardware().write(Setting.access(1, 0, 4)));
        assertRefused(Errno.EACCES, () -> context.hardware().read(Setting.access(2, 0, 4)));
        assertThat(hardware.reads + hardware.writes).isZero();
        assertThat(hardware.calls).isEmpty();
    }

    @Test
    void lendsTheMemoryOfTheClient() {
        FakeMemory memory = new FakeMemory(16);
        dma.map(new DmaMapping(0x1000, 16, true, true, memory), hardware);
        context.memory().write(0x1004, ByteBuffer.wrap(new byte[] {7}));
        ByteBuffer read = ByteBuffer.allocate(1);
        context.memory().read(0x1004, read);

        assertThat(memory.getByte(4)).isEqualTo((byte) 7);
        assertThat(read.get(0)).isEqualTo((byte) 7);
        assertRefused(Errno.EFAULT, () -> context.memory().read(0x1010, ByteBuffer.allocate(1)));
    }
}
