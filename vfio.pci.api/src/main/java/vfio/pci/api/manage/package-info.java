/**
 * What the core offers to those who serve or administer devices: the protocol server and the shell.
 *
 * <p>{@link vfio.pci.api.manage.DeviceManager} is an OSGi service of the core, {@link vfio.pci.api.manage.DeviceServer} one of
 * the protocol server, {@link vfio.pci.api.manage.HotPlug} one of a bus. Vendor bundles have no business here.
 */
@Export
@Version("1.4.0")
@NullMarked
package vfio.pci.api.manage;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
