package vfio.pci.api.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;

class FakeDeviceTest {
    private static final MediateOps EMPTY = context -> Decision.accept(new Mediation() {});

    @Test
    void hasWhatItWasGivenAndShowsItInConfigurationSpace() {
        PciIds ids = new PciIds(0x8086, 0x154c, 0x1028, 0x0002, 0x020000, 7);
        FakeDevice device = FakeDevice.of(ids)
                .withAddress("0000:03:02.1")
                .withPhysicalFunction("0000:03:00.0", 1)
                .withBar(3, 0x4000);

        assertThat(device.ids()).isEqualTo(ids);
        assertThat(device.address()).isEqualTo(PciAddress.parse("0000:03:02.1"));
        assertThat(device.physicalFunction()).contains(PciAddress.parse("0000:03:00.0"));
        assertThat(device.virtualFunctionNumber()).isOne();
        assertThat(device.region(3).info()).isEqualTo(RegionInfo.mappable(3, 0x4000));
        assertThat(device.region(PciRegion.BAR0).info()).isEqualTo(RegionInfo.absent(0));
        FakeRegion config = device.region(PciRegion.CONFIG);
        assertThat(config.getInt(PciConfig.VENDOR_ID)).isEqualTo(0x154c_8086);
        assertThat(config.getInt(PciConfig.REVISION_ID)).isEqualTo(0x0200_0007);
        assertThat(config.getInt(PciConfig.SUBSYSTEM_VENDOR_ID)).isEqualTo(0x0002_1028);
    }

    @Test
    void isNoVirtualFunctionUnlessToldSo() {
        FakeDevice device = FakeDevice.of("1234:11e8");

        assertThat(device.ids()).isEqualTo(new PciIds(0x1234, 0x11e8, 0, 0, 0, 0));
        assertThat(device.physicalFunction()).isEmpty();
        assertThat(device.virtualFunctionNumber()).isEqualTo(-1);
        assertThatIllegalArgumentException().isThrownBy(() -> FakeDevice.of("1234"));
    }

    @Test
    void hasOneUserAtTime() {
        FakeDevice device = FakeDevice.of("1234:11e8");
        MediatedDevice open = device.mediatedBy(EMPTY);

        fails(Errno.EBUSY, () -> device.mediatedBy(EMPTY));
        open.close();
        open.close();
        MediatedDevice again = device.mediatedBy(EMPTY);
        open.close();

        fails(Errno.EBUSY, () -> device.ask(EMPTY));
        again.close();
        assertThat(device.ask(EMPTY)).hasToString("accepted");
    }

    @Test
    void keepsWhatDriversLog() {
        FakeDevice device = FakeDevice.of("1234:11e8");
        device.ask(context -> {
            context.logger()
                    .log(
                            System.Logger.Level.WARNING,
                            "{0} is odd",
                            context.device().address());
            context.logger().log(System.Logger.Level.DEBUG, "it''s {0}");
            return Decision.decline("odd");
        });

        assertThat(device.logged()).containsExactly("WARNING: 0000:01:00.0 is odd", "DEBUG: it''s {0}");
    }

    @Test
    void memoryOfClientIsReachedWhereItWasMappedAndAsItWasMapped() {
        FakeClientMemory memory = FakeDevice.of("1234:11e8").memory();
        byte[] array = {1, 2, 3, 4};
        memory.map(0x1000, array);
        memory.mapReadOnly(0x1004, new byte[] {5, 6});
        byte[] read = new byte[2];

        memory.read(0x1001, ByteBuffer.wrap(read));
        memory.write(0x1002, ByteBuffer.wrap(new byte[] {7, 8}));

        assertThat(read).containsExactly(2, 3);
        assertThat(array).containsExactly(1, 2, 7, 8);
        fails(Errno.EFAULT, () -> memory.read(0x1003, ByteBuffer.allocate(2)));
        fails(Errno.EFAULT, () -> memory.write(0x1004, ByteBuffer.allocate(1)));
        memory.unmap(0x1000);
        fails(Errno.EFAULT, () -> memory.read(0x1000, ByteBuffer.allocate(1)));
        assertThatIllegalStateException().isThrownBy(() -> memory.unmap(0x1000));
        assertThatIllegalStateException().isThrownBy(() -> memory.map(0x1005, new byte[1]));
    }

    @Test
    void memoryHasEveryWidthAndEndsWhereItEnds() {
        SharedMemory.Factory factory = FakeMemory::allocate;
        SharedMemory memory = factory.allocate("test", 1L << 32);
        memory.putLong(4092, 0x8877_6655_4433_2211L);

        assertThat(memory.getByte(4092)).isEqualTo((byte) 0x11);
        assertThat(memory.getShort(4098)).isEqualTo(0x8877);
        assertThat(memory.getInt(4094)).isEqualTo(0x6655_4433);
        assertThat(memory.getLong(4092)).isEqualTo(0x8877_6655_4433_2211L);
        assertThat(memory.getLong((1L << 32) - 8)).isZero();
        fails(Errno.EFAULT, () -> memory.getLong((1L << 32) - 7));
        fails(Errno.EFAULT, () -> memory.putByte(-1, (byte) 0));
        memory.close();
        fails(Errno.EFAULT, () -> memory.getByte(0));
    }

    private static void fails(Errno errno, Runnable action) {
        assertThatExceptionOfType(VfioException.class).isThrownBy(action::run).returns(errno, VfioException::errno);
    }
}
