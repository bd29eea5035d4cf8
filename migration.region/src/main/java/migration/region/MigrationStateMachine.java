package migration.region;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;

/**
 * Where one device is with regard to migration, and how it gets elsewhere: by the direct transitions of the Linux migration
 * contract, version 2, one after the other, on the shortest way. Whoever drives it, by device feature or through a region, it is
 * one machine for each device.
 *
 * <p>A device that does not know states without access to other devices, as no device of vfio-user does, goes through them
 * without stopping. {@link MigrationState#ERROR} is left by {@link #reset} only.
 *
 * <p>Transitions come one at a time: whoever asks while another is on its way waits for it.
 */
public final class MigrationStateMachine {
    private final boolean preCopy;
    private final boolean peerToPeer;
    private final Transition transition;
    private volatile MigrationState state = MigrationState.RUNNING;

    /** Makes the device do what a transition means. */
    @FunctionalInterface
    public interface Transition {
        /**
         * Takes the device from one state to the next. On return it is there; if this throws, it is where it was, unless {@link
         * MigrationStateMachine#fail} has been called.
         *
         * @throws VfioException why the device stays where it is
         */
        void take(MigrationState from, MigrationState to);
    }

    /**
     * A machine in {@link MigrationState#RUNNING}.
     *
     * @param preCopy whether the device can have its state read while it runs
     * @param peerToPeer whether it has states without access to other devices
     * @param transition is called for every state that the device gets to, in order
     */
    public MigrationStateMachine(boolean preCopy, boolean peerToPeer, Transition transition) {
        this.preCopy = preCopy;
        this.peerToPeer = peerToPeer;
        this.transition = Objects.requireNonNull(transition);
    }

    /** The state now; that before a transition as long as it lasts. */
    public MigrationState state() {
        return state;
    }

    /**
     * Takes the device to a state, by way of others if need be; does nothing if it is there.
     *
     * @throws VfioException EINVAL if no way leads there or the device does not have the state; else what a transition fails
     *     with, and then {@link #state} tells how far the device got
     */
    public synchronized void request(MigrationState target) {
        if (target == MigrationState.ERROR || !target.isSupported(preCopy, peerToPeer)) {
            throw new VfioException(Errno.EINVAL, target + " cannot be asked for: the device does not offer it");
        }
        if (target == state) {
            return;
        }
        List<MigrationArc> path = MigrationArc.path(state, target);
        if (path.isEmpty()) {
            throw new VfioException(
                    Errno.EINVAL,
                    "there is no way from " + state + " to " + target
                            + (state == MigrationState.ERROR ? "; reset the device" : ""));
        }
        for (MigrationArc arc : supported(path)) {
            transition.take(state, arc.to());
            state = arc.to();
        }
    }

    /** Nobody knows any more what the device holds; called before a transition throws. */
    public synchronized void fail() {
        state = MigrationState.ERROR;
    }

    /** The device has been reset: it runs. */
    public synchronized void reset() {
        state = MigrationState.RUNNING;
    }

    /** The states of a path that the device has. The last is one of them. */
    private List<MigrationArc> supported(List<MigrationArc> path) {
        List<MigrationArc> supported = new ArrayList<>();
        for (MigrationArc arc : path) {
            if (arc.to().isSupported(preCopy, peerToPeer)) {
                supported.add(arc);
            }
        }
        return supported;
    }
}
