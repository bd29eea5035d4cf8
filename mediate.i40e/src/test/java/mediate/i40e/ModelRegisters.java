package mediate.i40e;

import vfio.pci.api.pci.PciRegion;
import vfio.pci.api.testing.FakeRegion;
import vfio.pci.api.testing.MediatedDevice;

/**
 * Registers of a {@link ModelFunction}.
 *
 * @param few whether writes are trapped on the page of messages only
 */
record ModelRegisters(FakeRegion bar0, MediatedDevice mediated, boolean few) {
    private static final int MESSAGE_PAGE = 8;

    /** The driver writes one. */
    void set(VfRegister register, int value) {
        if (few && register.at(0) >>> 12 != MESSAGE_PAGE) {
            store(register, value);
        } else {
            mediated.writeInt(PciRegion.BAR0, register.at(0), value);
        }
    }

    /** The device writes one. */
    void store(VfRegister register, int value) {
        bar0.putInt(register.at(0), value);
    }

    int get(VfRegister register) {
        return bar0.getInt(register.at(0));
    }

    /** The device resets all. */
    void clear() {
        for (VfRegister register : VfRegister.values()) {
            for (int index = 0; index < register.count(); index++) {
                bar0.putInt(register.at(index), 0);
            }
        }
    }
}
