package vfio.sim;

import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.Signal;

/**
 * One interrupt: where it is delivered, whether it is masked, and what waits.
 *
 * <p>State changes and signals are told under this object's monitor: a signal that is being replaced has either been told
 * or is not told any more, so no event is lost to one that was just closed. Telling never blocks and calls nobody back.
 */
abstract class InterruptVector {
    private final Map<InterruptAction, Signal> signals = new EnumMap<>(InterruptAction.class);
    private boolean masked;
    private boolean pending;
    private boolean held;

    /** The interrupt fires once. Without effect if it is not connected. */
    abstract void fire();

    /** Delivers what may be delivered now. */
    abstract void deliver();

    /** Replaces the signal of an action and closes the one before. */
    final void connect(InterruptAction action, @Nullable Signal signal) {
        Signal previous = replace(action, signal);
        if (previous != null && previous != signal) {
            previous.close();
        }
        deliver();
    }

    final void mask() {
        synchronized (this) {
            if (masked) {
                return;
            }
            masked = true;
            tell(signal(InterruptAction.MASK));
        }
    }

    final void unmask() {
        synchronized (this) {
            if (!masked) {
                return;
            }
            masked = false;
            tell(signal(InterruptAction.UNMASK));
        }
        deliver();
    }

    /** Disconnects, unmasks and forgets what was pending. */
    final void disable() {
        for (InterruptAction action : InterruptAction.values()) {
            Signal previous = replace(action, null);
            if (previous != null) {
                previous.close();
            }
        }
        synchronized (this) {
            masked = false;
            pending = false;
        }
    }

    /** From now on nothing is told, and what happens waits; on return nothing is being told. */
    final synchronized void hold() {
        held = true;
    }

    /** Ends that, and tells what waits. */
    final void release() {
        synchronized (this) {
            held = false;
        }
        deliver();
    }

    /** Replaces what is pending. */
    final synchronized void restore(boolean event) {
        pending = event;
    }

    /** Forgets what was pending, as a reset of the function does. Connections and masks belong to the user and stay. */
    final synchronized void reset() {
        pending = false;
    }

    final synchronized boolean isPending() {
        return pending;
    }

    final synchronized boolean isMasked() {
        return masked;
    }

    final synchronized boolean isConnected() {
        return signal(InterruptAction.TRIGGER) != null;
    }

    /** Remembers one event if there is anybody to deliver it to. Call with the monitor held. */
    final void setPending() {
        if (signal(InterruptAction.TRIGGER) != null) {
            pending = true;
        }
    }

    /**
     * Takes what is to be delivered, or returns null if nothing may be delivered now. Call with the monitor held.
     *
     * @param requested whether the interrupt is requested by something other than a remembered event
     */
    final @Nullable Signal take(boolean requested) {
        Signal trigger = signal(InterruptAction.TRIGGER);
        if (trigger == null || masked || held || !(pending || requested)) {
            return null;
        }
        pending = false;
        return trigger;
    }

    /** Masks without telling; returns who is to be told. Call with the monitor held. */
    final @Nullable Signal automask() {
        masked = true;
        return signal(InterruptAction.MASK);
    }

    static void tell(@Nullable Signal signal) {
        if (signal != null) {
            signal.signal();
        }
    }

    private @Nullable Signal signal(InterruptAction action) {
        return signals.get(action);
    }

    private synchronized @Nullable Signal replace(InterruptAction action, @Nullable Signal signal) {
        return signal == null ? signals.remove(action) : signals.put(action, signal);
    }
}
