package vfio.sim;

import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
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
    void fire() {
        synchronized (this) {
            setPending();
        }
        deliver();
    }

    @Override
    void deliver() {
        Signal told;
        @Nullable Signal maskTold = null;
        synchronized (this) {
            told = enabled.getAsBoolean() ? take(requested.getAsBoolean()) : null;
            if (told != null) {
                maskTold = automask();
            }
        }
        tell(told);
        tell(maskTold);
    }
}
