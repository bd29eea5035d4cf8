package vfio.pci.api.mediate;

import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciDevice;

/**
 * What the core lends a mediation for the time it holds a device. All methods may be called by several threads at once.
 * Regions and memory, and adding a region, fail with ENODEV once the mediation has been closed.
 */
@ProviderType
public interface MediationContext {
    /** The function that is being opened. */
    PciDevice device();

    /**
     * The regions of the device underneath. Accesses made here go to the hardware, not through the mediation. The caller
     * takes care of index, bounds and permission; they are checked again.
     */
    Regions hardware();

    /** The client's memory. */
    DmaSpace memory();

    /** The ranges of the client's memory that the device may use now, by address. */
    List<DmaMapping> mappings();

    /** The part of the device's state that its regions do not show; empty if nobody here knows it. */
    Optional<HardwareState> hardwareState();

    /**
     * Begins or ends to call {@link Mediation#interrupt} before the client gets an interrupt. It costs each interrupt a detour, through
     * this process where the kernel delivers it otherwise, so it is off at first. On return it holds for all interrupts that
     * come. Not to be called from {@link Mediation#interrupt}.
     *
     * @throws VfioException if the device refuses to deliver its interrupts in another way
     */
    void relayInterrupts(boolean relay);

    /**
     * Adds a device-specific region. Only while the device is being opened, that is during {@link MediateOps#open}. The
     * mediation answers every access to it; passing through is refused with EIO.
     *
     * @param region describes the region; its index is ignored, its type must not be 0
     * @return the index the region got
     */
    int addRegion(RegionInfo region);

    /**
     * What the mediation before this one left, if this one is asked to take over a device in use. A driver that does not
     * understand it declines. One that accepts without having asked for a state that is there is refused, since what it
     * holds would be lost.
     *
     * @return the state; empty if the device is being opened, or nothing was left
     */
    Optional<HandOverState> handedOver();

    /**
     * Asks that the disablable areas of all regions be trapped, or that they may be mapped again. Does not wait: {@link
     * Mediation#trapChanged} says when it holds. The latest request counts; one that is superseded is not answered.
     *
     * @param trapped whether they shall be trapped
     * @return whether they are trapped now; if that is what was asked for, trapChanged is not called
     * @throws VfioException EOPNOTSUPP if the client maps them and cannot be made to stop: it does not know how, or the
     *     administrator chose {@code trap=never}
     */
    boolean trap(boolean trapped);

    /** Whether the disablable areas are to be trapped now, confirmed by the client or not. */
    boolean trapRequested();

    /** A logger that bears the vendor's name and the device's address. */
    System.Logger logger();
}
