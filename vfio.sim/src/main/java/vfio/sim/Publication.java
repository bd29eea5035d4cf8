package vfio.sim;

import vfio.pci.api.pci.PciDevice;

/** A function as others know it. */
interface Publication {
    /** Makes functions known. */
    interface Publisher {
        Publication publish(PciDevice function);
    }

    /** Its properties have changed. */
    void changed();

    /** Nobody shall know it any more; returns when everybody has let go of it. */
    void withdraw();
}
