package vfio.sim.xl710;

import vfio.pci.api.device.VfioException;

/** A driver asked for what no correct driver asks for. It costs the queue on which it did. */
final class MaliciousDriverException extends Exception {
    private static final long serialVersionUID = 1;

    MaliciousDriverException(String message) {
        super(message);
    }

    /** It made the device reach memory that it may not reach. */
    MaliciousDriverException(VfioException fault) {
        super(String.valueOf(fault.getMessage()), fault);
    }
}
