package vfio.migration;

import vfio.pci.api.device.VfioException;

/** The other runtime said no, so it does not run the device. */
final class RefusedException extends Exception {
    private static final long serialVersionUID = 1;

    private final VfioException reason;

    RefusedException(VfioException reason) {
        super(reason.getMessage(), reason);
        this.reason = reason;
    }

    /** What it said. */
    VfioException reason() {
        return reason;
    }
}
