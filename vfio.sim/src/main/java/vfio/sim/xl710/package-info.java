/**
 * A simulated Intel XL710: what is behind the registers of its virtual functions.
 *
 * <p>The {@link vfio.sim.xl710.Adapter} is the physical function's side: a virtual switch, a link and one engine thread that
 * does all the work of all {@link vfio.sim.xl710.VirtualFunction}s, so that their state needs no locks. Registers are the
 * table {@link vfio.sim.xl710.VfRegister}, messages the table {@code VirtchnlOpcode}. Nothing here knows about PCI: {@code
 * vfio.sim.Xl710Vf} puts it behind a BAR.
 *
 * <p>Nothing here is exported.
 */
@NullMarked
package vfio.sim.xl710;

import org.jspecify.annotations.NullMarked;
