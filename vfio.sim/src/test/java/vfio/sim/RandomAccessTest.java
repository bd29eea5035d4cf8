package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;

/** Whatever a client reads and writes in range, nothing but a {@link VfioException} comes out. */
class RandomAccessTest {
    private static final int ROUNDS = 20_000;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void anyAccessInRangeIsAnswered(long seed) {
        Random random = new Random(seed);
        for (DeviceModel model : Functions.all()) {
            if (model.virtualFunctions() > 0) {
                model.setVirtualFunctions(0);
            }
            SimulatedFunction function = SimulatedFunction.physical(model);
            try (Hardware hardware = function.open(new GuestMemory(0x2000))) {
                for (int index = 0; index < hardware.interruptCount(); index++) {
                    if (hardware.interruptInfo(index).count() > 0) {
                        hardware.connect(index, InterruptAction.TRIGGER, 0, List.of(new CountingSignal()));
                    }
                }
                for (int round = 0; round < ROUNDS; round++) {
                    access(random, hardware);
                }
                hardware.reset();
            }
            assertThat(Accessor.config(model).read(0, 2)).isEqualTo(model.ids().vendor());
        }
    }

    private static void access(Random random, Hardware hardware) {
        RegionInfo info = hardware.regionInfo(random.nextInt(hardware.regionCount()));
        if (info.size() == 0) {
            return;
        }
        int longest = (int) Math.min(info.size(), random.nextInt(50) == 0 ? 5000 : 16);
        int length = 1 + random.nextInt(longest);
        // Half of the accesses go to the start, where registers are dense.
        long reach = random.nextBoolean() ? info.size() : Math.min(info.size(), 0x9000);
        long offset = (long) (random.nextDouble() * (Math.max(reach, length) - length + 1));
        byte[] data = new byte[length];
        random.nextBytes(data);
        RegionAccess access = new RegionAccess()
                .wrap(info.index(), offset, length, ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN), 0);
        try {
            if (random.nextBoolean()) {
                hardware.read(access);
            } else {
                hardware.write(access);
            }
        } catch (VfioException e) {
            assertThat(e).as("%s", access).hasMessageNotContaining("null");
        }
    }
}
