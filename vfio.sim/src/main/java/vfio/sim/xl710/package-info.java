/**
 * The simulated XL710 virtual function: what the device does with registers, queues and frames.
 *
 * <p>Frames lie in direct, big-endian buffers of the engine and are read and written with absolute methods; what works on
 * them allocates nothing, keeps nothing of a frame beyond the call unless it says so, and belongs to the engine's thread.
 */
@NullMarked
package vfio.sim.xl710;

import org.jspecify.annotations.NullMarked;
