/**
 * A client for vfio-user servers: what a VMM does, for tests and tools.
 *
 * <p>{@link vfio.user.client.VfioUserClient} has a method for every command of the specification (QEMU's {@code
 * docs/interop/vfio-user.rst}) that a client may send, and answers what a server asks about client memory through a {@link
 * vfio.user.client.DmaHandler}. {@link vfio.user.client.MappedRegions} reaches registers through mappings, {@link
 * vfio.user.client.MigrationClient} moves the device. A refusal of the
 * server is a {@link vfio.pci.api.device.VfioException} with the server's errno; a reply that does not come in time is
 * ETIMEDOUT; a connection that has ended is ENOTCONN; an answer that the specification does not allow is EPROTO.
 *
 * <p>Everything may be used by several threads at once. Requests of different threads are pipelined on the socket and the
 * server serves them in the order in which they were sent. Offsets, sizes and addresses are unsigned numbers in a {@code
 * long}; data is little-endian.
 */
@Export
@Version("1.2.0")
@NullMarked
package vfio.user.client;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
