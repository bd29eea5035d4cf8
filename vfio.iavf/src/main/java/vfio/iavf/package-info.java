/**
 * A driver of the XL710 virtual function (8086:154c), for tests and benchmarks.
 *
 * <p>It does what the Linux driver {@code iavf} does, in the same order, through a vfio-user connection and within
 * milliseconds: {@link vfio.iavf.VirtualFunctionDriver} brings the function up, {@link vfio.iavf.TransmitQueue} and {@link
 * vfio.iavf.ReceiveQueue} move frames without allocating. It is strict where {@code iavf} is lenient: whatever the device
 * does that the Intel documentation, {@code virtchnl.h} or another driver does not allow is a {@link
 * vfio.iavf.DeviceViolation}, an error with a sentence. What the connection fails with is a {@link
 * vfio.pci.api.device.VfioException}.
 *
 * <p>The constants are the driver's own, so that a mistake in those of a device under test does not go unnoticed. All memory
 * is little-endian; frames are bytes in network order. Unless something else is said, objects are for one thread at a time;
 * each queue may have a thread of its own.
 */
@Export
@Version("1.0.0")
@NullMarked
package vfio.iavf;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
