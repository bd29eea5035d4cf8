/**
 * For unit tests of vendor bundles: a device in memory, and a client that uses it through a mediation. Neither OSGi nor a
 * test framework is needed.
 *
 * <p>A {@link vfio.pci.api.testing.FakeDevice} is the hardware. Opened with a {@link vfio.pci.api.mediate.MediateOps} it is a
 * {@link vfio.pci.api.testing.MediatedDevice}, where the test plays the client: it reads and writes registers, confirms
 * traps, and has the device handed over to another driver. Layouts are checked, accesses are passed on and successors are
 * refused as the core does.
 *
 * <pre>{@code
 * FakeDevice hardware = FakeDevice.of("1234:11e8").withBar(0, 1 << 20);
 * hardware.region(0).putInt(0x00, 0x010000ed);
 * try (MediatedDevice device = hardware.mediatedBy(new MyOps())) {
 *     device.writeInt(0, 0x08, 5);
 *     device.handOver(new MyOps());
 *     assertEquals(1, device.readInt(0, 0x0c));
 * }
 * }</pre>
 *
 * <p>What the core contains at run time is an {@link java.lang.AssertionError} here: a mediation that throws anything but
 * {@link vfio.pci.api.device.VfioException}, answers null, or redirects an access. A call that the test itself must not
 * make is an {@link java.lang.IllegalStateException}. Everything runs on the thread of the test, and nothing is bounded in
 * time.
 */
@NullMarked
package vfio.pci.api.testing;

import org.jspecify.annotations.NullMarked;
