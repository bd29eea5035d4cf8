package vfio.pci.api.device;

import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A device opened underneath all mediation: a real one through Linux VFIO, or a simulated one.
 *
 * <p>Owned by whoever opened it. Close disconnects interrupts and forgets the DMA map but keeps the state of the device, as
 * a connection may come back to it.
 */
@ProviderType
public interface Hardware extends Regions, Interrupts, AutoCloseable {
    /**
     * Makes a range known to the device, before the first DMA to it.
     *
     * @param mapping overlaps no mapping the device has
     * @throws VfioException if the device cannot reach that memory
     */
    void map(DmaMapping mapping);

    /**
     * Takes a mapping away. On return the device has stopped using it.
     *
     * @param mapping one that was given to {@link #map}
     */
    void unmap(DmaMapping mapping);

    /**
     * Called before mappings are taken away because nobody uses the device any more: on return no DMA of the device is under
     * way, and none begins until it is opened again. The default does nothing, for devices that do no DMA.
     */
    default void stopDma() {}

    /** The part of its state that regions do not show; empty, as by default, if nobody here knows it. */
    default Optional<HardwareState> state() {
        return Optional.empty();
    }

    /** Whether {@link #reset} works. */
    boolean resettable();

    /**
     * Resets the function.
     *
     * @throws VfioException EOPNOTSUPP if the device cannot be reset
     */
    void reset();

    @Override
    void close();
}
