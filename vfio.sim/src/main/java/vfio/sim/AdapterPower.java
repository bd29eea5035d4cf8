package vfio.sim;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import vfio.sim.xl710.Adapter;

/** Keeps the adapter of a card powered as long as one of its functions is in. */
final class AdapterPower {
    private final Supplier<Adapter> maker;
    private @Nullable Adapter adapter;
    private int functions;

    AdapterPower(Supplier<Adapter> maker) {
        this.maker = maker;
    }

    /** A function is in. */
    synchronized Adapter on() {
        Adapter powered = adapter;
        if (powered == null) {
            powered = maker.get();
            adapter = powered;
        }
        functions++;
        return powered;
    }

    /** A function is out. */
    synchronized void off() {
        functions--;
        Adapter powered = adapter;
        if (functions == 0 && powered != null) {
            adapter = null;
            powered.close();
        }
    }
}
