package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

class AllocationTest {
    private static final int ROUNDS = 20_000;

    private final Xl710Vf vf = Functions.vf();
    private final RegionAccess access = new RegionAccess();
    private final ByteBuffer buffer = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);

    @Test
    void aRegisterAccessAllocatesNothing() {
        vf.interrupts().connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 1, List.of(new CountingSignal()));
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        accesses();
        long id = Thread.currentThread().getId();
        long before = threads.getThreadAllocatedBytes(id);
        accesses();
        long perAccess = (threads.getThreadAllocatedBytes(id) - before) / (7L * ROUNDS);
        assertThat(perAccess).as("bytes per access").isZero();
    }

    private void accesses() {
        for (int round = 0; round < ROUNDS; round++) {
            vf.read(access.wrap(PciRegion.BAR0, 0x8800, 4, buffer, 0));
            vf.read(access.wrap(PciRegion.BAR0, 0x4800, 4, buffer, 0));
            vf.write(access.wrap(PciRegion.BAR0, 0x6001, 7, buffer, 0));
            buffer.putInt(0, 0x1d);
            vf.write(access.wrap(PciRegion.BAR0, 0x3800, 4, buffer, 0));
            vf.read(access.wrap(PciRegion.BAR3, 0x2000, 8, buffer, 0));
            vf.read(access.wrap(PciRegion.CONFIG, 0, 256, buffer, 0));
            vf.write(access.wrap(PciRegion.CONFIG, PciConfig.INTERRUPT_LINE, 1, buffer, 0));
        }
    }
}
