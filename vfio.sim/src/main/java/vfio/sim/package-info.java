/**
 * A simulated PCI bus: functions that behave like hardware at their registers, without any.
 *
 * <p>Each kind of function is a {@link vfio.sim.DeviceModel} of its own. What all functions have in common is data: a {@link
 * vfio.sim.FunctionLayout} describes configuration space and BARs, a list of {@link vfio.sim.Register}s the registers that
 * do something. BARs are shared memory, so what a client maps is what a trapped access reads and writes.
 *
 * <p>Nothing here is exported. Components create cards from configuration and insert them into the {@link
 * vfio.sim.SimulatedBus}, which publishes the functions as {@link vfio.pci.api.pci.PciDevice} services.
 */
@NullMarked
package vfio.sim;

import org.jspecify.annotations.NullMarked;
