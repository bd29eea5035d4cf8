package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import vfio.pci.api.pci.PciAddress;

/** Tells mediations of one device whether trapping is in force; the teller is inside the gate. */
final class TrapNews {
    private static final Logger LOGGER = System.getLogger(TrapNews.class.getPackageName());

    private final PciAddress address;
    private final TrapSwitch traps;
    private final VendorFaults faults;

    TrapNews(PciAddress address, TrapSwitch traps, VendorFaults faults) {
        this.address = address;
        this.traps = traps;
        this.faults = faults;
    }

    /** Tells what holds. Others may tell too, and be overtaken; so it is told again until it is still what holds. */
    void tell(Layer listener, boolean trapped) {
        boolean told = trapped;
        tellOnce(listener, told);
        while (told != traps.inForce()) {
            told = !told;
            tellOnce(listener, told);
        }
    }

    private void tellOnce(Layer listener, boolean trapped) {
        try {
            listener.mediation().trapChanged(trapped);
        } catch (Throwable thrown) {
            LOGGER.log(Level.DEBUG, "{0}: {1}", address, faults.contain(listener.mediator(), "trapChanged", thrown));
        }
    }
}
