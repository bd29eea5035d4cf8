package vfio.pci.api.device;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The interrupts of an open device ({@code VFIO_DEVICE_GET_IRQ_INFO}, {@code VFIO_DEVICE_SET_IRQS}).
 *
 * <p>Callers have checked the index and that {@code [start, start + count)} lies inside the type. All methods may be
 * called by several threads at once.
 */
@ProviderType
public interface Interrupts {
    /** Number of interrupt indexes, including those not implemented. */
    int interruptCount();

    /** The interrupt type at an index in {@code [0, interruptCount())}. */
    InterruptInfo interruptInfo(int index);

    /**
     * Connects consecutive vectors to signals. With {@link InterruptAction#TRIGGER} the signal is told when the interrupt
     * fires; with MASK or UNMASK, when the interrupt becomes masked or unmasked, as the vfio-user specification has it (in
     * {@code <linux/vfio.h>} such signals go the other way). A null entry disconnects its vector.
     *
     * <p>On normal return the device owns the signals and closes them when they are replaced, disconnected, or the device
     * is closed. If it throws, nothing changed and the caller still owns them.
     *
     * @throws VfioException EINVAL if this type cannot do it
     */
    void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals);

    /**
     * Masks, unmasks or fires consecutive vectors, as if the device had done it. Firing a vector that is not connected has
     * no effect.
     *
     * @throws VfioException EINVAL if this type cannot do it
     */
    void act(int index, InterruptAction action, int start, int count);

    /** Disconnects and unmasks every vector of a type and forgets what was pending. */
    void disable(int index);
}
