/**
 * PCI on top of the bus-neutral contracts: functions as services, addresses, region and interrupt indexes, and the layout
 * of configuration space.
 *
 * <p>A PCI function that is present is an OSGi service {@link vfio.pci.api.pci.PciDevice}. Registration is what a kernel
 * calls probe, unregistration is remove.
 */
@Export
@Version("1.3.0")
@NullMarked
package vfio.pci.api.pci;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
