package vfio.sim;

import java.util.List;
import java.util.Optional;
import vfio.pci.api.pci.PciAddress;
import vfio.sim.xl710.Adapter;

/** Models for tests. */
final class Functions {
    static final PciAddress PF_ADDRESS = PciAddress.parse("0000:03:00.0");
    static final PciAddress VF_ADDRESS = PciAddress.parse("0000:03:02.0");
    static final PciAddress IGD_ADDRESS = PciAddress.parse("0000:00:02.0");
    static final PciAddress EDU_ADDRESS = PciAddress.parse("0000:00:04.0");

    private Functions() {}

    static Xl710Vf vf() {
        return (Xl710Vf) pf().virtualFunction(VF_ADDRESS, 0, new HeapMemory.Factory());
    }

    static Xl710Pf pf() {
        AdapterPower power = new AdapterPower(() -> new Adapter("test", 4, 0x020003000000L, Optional.empty()));
        return new Xl710Pf(PF_ADDRESS, new HeapMemory.Factory(), 2, Xl710Options.DEFAULT, power);
    }

    static Igd igd() {
        return new Igd(IGD_ADDRESS, new HeapMemory.Factory(), 0x5927, 1 << 20);
    }

    static Edu edu() {
        return new Edu(EDU_ADDRESS, new HeapMemory.Factory());
    }

    static List<DeviceModel> all() {
        return List.of(vf(), pf(), igd(), edu());
    }
}
