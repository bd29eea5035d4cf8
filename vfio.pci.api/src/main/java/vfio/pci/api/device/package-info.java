/**
 * Bus-neutral contracts of a device behind VFIO: regions, interrupts, DMA and the errors they raise.
 *
 * <p>Everything here follows {@code <linux/vfio.h>}: regions and interrupt types are numbered by small indexes, a region
 * is a byte range that is read, written and possibly mapped, an interrupt is delivered through a {@link
 * vfio.pci.api.device.Signal}, and guest memory is addressed by IOVA. What a simulated device needs of the host is here, too:
 * {@link vfio.pci.api.device.SharedMemory} and {@link vfio.pci.api.device.PacketPort}. Nothing in this package knows about PCI; see {@code
 * vfio.pci.api.pci} for that.
 *
 * <p>All multi-byte values are little-endian. Offsets, sizes and IOVAs are unsigned 64-bit numbers held in a {@code long};
 * a negative {@code long} is therefore a large number and is out of range for every region. Types are safe for use by
 * several threads unless their documentation says otherwise.
 */
@Export
@Version("1.3.0")
@NullMarked
package vfio.pci.api.device;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
