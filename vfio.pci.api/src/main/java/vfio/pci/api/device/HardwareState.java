package vfio.pci.api.device;

import java.util.Map;
import java.util.Set;
import org.osgi.annotation.versioning.ProviderType;

/**
 * What a function is besides its regions: the part of its state that only its host knows, as the driver of a physical function
 * does for a virtual one. A vendor's driver needs it to move the device.
 *
 * <p>Parts have names and a format that whoever provides the function defines and vendors' drivers know. All methods may be called by
 * several threads at once.
 */
@ProviderType
public interface HardwareState {
    /** On return the function does no DMA and fires no interrupt, and its state changes by accesses to its regions only. Idempotent. */
    void freeze();

    /**
     * Goes on, with what {@link #write} said. If something was written, each interrupt fires once, since one may have been lost on the
     * way. Idempotent. A reset does the same.
     */
    void thaw();

    /** Names of the parts. */
    Set<String> parts();

    /**
     * Reads one part, as it is at one moment.
     *
     * @param part one of {@link #parts}
     * @throws VfioException EINVAL if there is no such part
     */
    byte[] read(String part);

    /**
     * Whether {@link #write} would accept it.
     *
     * @throws VfioException EINVAL with a sentence that names what cannot be
     */
    void check(Map<String, byte[]> parts);

    /**
     * Replaces the state by that of another function of the kind. The function is frozen; its regions have been written before.
     *
     * @param parts all of them, by name
     * @throws VfioException EINVAL as {@link #check} does, and then nothing has changed; EBUSY if the function is not frozen
     */
    void write(Map<String, byte[]> parts);
}
