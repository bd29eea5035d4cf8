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
     * Accepts or declines a device that is being opened.
     *
     * <p>Called on the thread that opens the device, so it must return soon. It must not touch the device before it has
     * decided to accept. An exception, or null, counts as a decline and as a defect of this driver.
     *
     * @param context the device and what the core lends a mediation; valid until {@link Mediation#close}, if accepted
     * @return {@link Decision#accept} with a new mediation, or {@link Decision#decline} with a reason
     */
    Decision open(MediationContext context);
}
