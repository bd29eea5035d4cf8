package vfio.shell;

/** Why there is nothing to show, and where to look. */
final class Absence {
    static final String NO_DEVICES =
            "No PCI functions are present. Simulated ones come from the bundle vfio.sim, one card"
                    + " for each configuration of vfio.sim.xl710 or vfio.sim.igd in the etc folder; felix:lb shows whether the bundle"
                    + " is active.";

    static final String NO_ENDPOINTS =
            "No PCI function can be given to a VMM. vfio:devices shows all that there are, and vfio:devices DEVICE"
                    + " says what one of them lacks.";

    static final String NO_MEDIATORS = "No mediate drivers are registered now. Vendor bundles bring them: those in"
            + " repository/ when a device that needs one is opened, those in deploy/ at once.";

    static final String NO_PLACES =
            "The simulated bus is empty. It has one card for each configuration of vfio.sim.xl710,"
                    + " vfio.sim.igd or vfio.sim.edu in the etc folder.";

    static final String NO_PORTS =
            "There is no simulated network card. There is one for each configuration of vfio.sim.xl710 in the etc folder.";

    private Absence() {}
}
