package vfio.sim;

import java.util.function.BooleanSupplier;
import vfio.pci.api.device.Signal;

/**
 * INTx: delivered as long as the function requests it, and masked automatically each time, so that a request that still
 * stands when the user unmasks is told again.
 */
final class LevelVector extends InterruptVector {
    private final BooleanSupplier requested;
    private final BooleanSupplier enabled;

    /**
     * Both are asked when they matter, so {@link #deliver} is to be called after either may have become true. They are
     * called with this object's monitor held.
     *
     * @param requested whether the function requests the interrupt now
     * @param enabled whether the function may deliver it now, the INTx Disable bit of the command register
     */
    LevelVector(BooleanSupplier requested, BooleanSupplier enabled) {
        this.requested = requested;
        this.enabled = enabled;
    }

    @Override
    synchronized void fire() {
        setPending();
        deliver();
    }

    @Override
    synchronized void deliver() {
        Signal told = enabled.getAsBoolean() ? take(requested.getAsBoolean()) : null;
        if (told != null) {
            tell(told);
            tell(automask());
        }
    }
}
