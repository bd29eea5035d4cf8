package mediate.example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.MediatedDevice;

class EduOpsTest {
    private final FakeDevice edu = FakeDevice.of("1234:11e8").withBar(0, 1 << 20);

    @Test
    void limitsAndCountsFactorialsAcrossAnUpdate() {
        try (MediatedDevice device = edu.mediatedBy(new EduOps())) {
            device.writeInt(0, 0x08, 5);
            device.handOver(new EduOps());
            device.writeInt(0, 0x08, 13);

            assertEquals(2, device.readInt(0, 0x0c));
            assertEquals(12, edu.region(0).getInt(0x08));
        }
    }

    @Test
    void declinesOtherDevicesAndStatesItCannotRead() {
        edu.withHandedOver(new HandOverState("example", 2, new byte[0]));

        assertEquals(
                "declined: cannot read the state example version 2, 0 bytes",
                edu.ask(new EduOps()).toString());
        assertEquals(
                "declined: 8086:154c is not an edu device",
                FakeDevice.of("8086:154c").ask(new EduOps()).toString());
    }
}
