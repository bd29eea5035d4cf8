package vfio.pci.core;

import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/** What a mediation counts, asked on a thread of its own: whoever wants to see it wants to see other devices, too. */
final class MediationCounters {
    private final PciAddress device;
    private final Gate gate;
    private final Supplier<Layer> layer;
    private final Core core;

    /** What the mediation was given whose counters did not return: asked again, it would keep one more thread. */
    private volatile @Nullable LentContext silent;

    /** @param layer who mediates at the moment */
    MediationCounters(PciAddress device, Gate gate, Supplier<Layer> layer, Core core) {
        this.device = device;
        this.gate = gate;
        this.layer = layer;
        this.core = core;
    }

    /**
     * Asks.
     *
     * @throws VfioException EIO if it fails to tell, or does not in time
     */
    Map<String, Long> ask() {
        Layer asked = layer.get();
        String call = asked.name() + "'s counters of " + device;
        if (asked.context() != null && asked.context() == silent) {
            throw new VfioException(
                    Errno.EIO, call + " did not return before; it is not asked again for as long as it mediates");
        }
        try {
            return core.calls().call(call, core.limits().vendor(), () -> inside(asked), late -> {});
        } catch (VendorCalls.StuckException e) {
            silent = asked.context();
            throw core.faults().contain(asked.mediator(), "counters", e);
        } catch (ExecutionException e) {
            throw core.faults().contain(asked.mediator(), "counters", Objects.requireNonNullElse(e.getCause(), e));
        }
    }

    private Map<String, Long> inside(Layer asked) {
        gate.enter();
        try {
            // Nobody who came meanwhile is asked: what goes wrong is put down to the one before.
            return asked.context() == layer.get().context() ? of(asked) : Map.of();
        } finally {
            gate.exit();
        }
    }

    private static Map<String, Long> of(Layer asked) {
        return Map.copyOf(
                Objects.requireNonNull(asked.mediation().counters(), "it returned null instead of its counters"));
    }
}
