package vfio.pci.api.mediate;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A vendor's offer to mediate devices. Registered as an OSGi service, with {@code service.ranking} to come before others.
 *
 * <p>The descendant of {@code struct vfio_pci_mediate_ops} of the 2019 Linux proposal, with an object where that had a
 * handle and a reason where it had an error code.
 */
@ConsumerType
public interface MediateOps {
    /** Service property: the name under which an administrator knows this driver. Defaults to the bundle's symbolic name. */
    String NAME = "vfio.mediate.name";

    /** Service property, for display: what the driver serves, for example {@code 8086:154c} or {@code VFs of 0000:03:00.0}. */
    String SERVES = "vfio.mediate.serves";

    /**
     * Accepts or declines a device that is being opened, or that another driver has suspended.
     *
     * <p>Called on the thread that opens the device, or on one of the core, so it must return soon. It must not touch the
     * device before it has decided to accept. An exception, or null, counts as a decline and as a defect of this driver.
     *
     * <p>A device in use is taken over with what {@link MediationContext#handedOver} says. The client keeps the regions it
     * knows: the mediation must describe the same ones, with the same sizes and permissions, and let be mapped what the
     * client may have mapped; otherwise it is refused and the next is asked.
     *
     * @param context the device and what the core lends a mediation; valid until {@link Mediation#close}, if accepted
     * @return {@link Decision#accept} with a new mediation, or {@link Decision#decline} with a reason
     */
    Decision open(MediationContext context);
}
