package vfio.pci.api.manage;

import java.time.Duration;
import java.util.Optional;

/**
 * How a move stands or ended.
 *
 * @param phase where it is
 * @param peer the other end, for people
 * @param rounds of copying memory, begun
 * @param memoryBytes copied
 * @param stateBytes of the device's state
 * @param dirtyBytesPerSecond what the device wrote in the last round
 * @param estimatedDowntime how long the device would stand still if it were stopped now; empty while nothing is known
 * @param downtime how long it stood still; empty before
 * @param note what to know, a sentence; empty if there is nothing
 */
public record MoveStatus(
        Phase phase,
        String peer,
        int rounds,
        long memoryBytes,
        long stateBytes,
        long dirtyBytesPerSecond,
        Optional<Duration> estimatedDowntime,
        Optional<Duration> downtime,
        String note) {
    /** The same, with something more to know. */
    public MoveStatus with(String more) {
        return new MoveStatus(
                phase,
                peer,
                rounds,
                memoryBytes,
                stateBytes,
                dirtyBytesPerSecond,
                estimatedDowntime,
                downtime,
                note.isEmpty() ? more : note + "; " + more);
    }

    /** Where a move is. */
    public enum Phase {
        /** The target is being asked. */
        CONNECTING(false),
        /** Memory is copied while the device runs. */
        COPYING(false),
        /** The same, until the guest has been stopped. */
        AWAITING_SWITCH_OVER(false),
        /** The device stands still here, and the rest is sent. */
        STOPPED(false),
        /** The target has all and has been told to run the device. */
        COMMITTING(false),
        /** A device is coming from elsewhere. */
        RECEIVING(false),
        /** The device runs at the target. */
        DONE(true),
        /** The device came from elsewhere and runs here. */
        ARRIVED(true),
        /** The state is in a file, and the device stands still here. */
        SAVED(true),
        /** The state is in a file as it was then, and the device runs on here. */
        SNAPSHOT(true),
        /** It was ended; the device runs here. */
        CANCELLED(true),
        /** It failed; the device runs here as before, or is as after a reset if it was to come here. */
        FAILED(true),
        /** Whether the target runs the device is not known; it stands still here. */
        IN_DOUBT(true);

        private final boolean over;

        Phase(boolean over) {
            this.over = over;
        }

        /** Whether nothing more happens by itself. */
        public boolean isOver() {
            return over;
        }
    }
}
