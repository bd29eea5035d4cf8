package vfio.migration;

import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.manage.MoveStatus;
import vfio.pci.api.manage.MoveStatus.Phase;

/** What there is to be told of one move. Written by the thread that moves; others may look. */
final class Progress {
    private final String peer;
    private final Consumer<MoveStatus> listener;
    private int rounds;
    private long memoryBytes;
    private long stateBytes;
    private long dirtyBytesPerSecond;
    private @Nullable Duration estimate;
    private @Nullable Duration downtime;
    private long stopped;
    private volatile MoveStatus status;

    Progress(Phase first, String peer, Consumer<MoveStatus> listener) {
        this.peer = peer;
        this.listener = listener;
        status = snapshot(first, "");
    }

    MoveStatus status() {
        return status;
    }

    void phase(Phase phase, String note) {
        status = snapshot(phase, note);
        listener.accept(status);
    }

    void phase(Phase phase) {
        phase(phase, "");
    }

    /** Another round begins. */
    void round() {
        rounds++;
        phase(status.phase());
    }

    /** What is known from the last round. */
    void estimate(long dirtyPerSecond, Duration expectedDowntime) {
        dirtyBytesPerSecond = dirtyPerSecond;
        estimate = expectedDowntime;
    }

    void memory(long bytes) {
        memoryBytes = bytes;
    }

    void state(long bytes) {
        stateBytes = bytes;
    }

    /** The device is stopped now. */
    void stops() {
        stopped = System.nanoTime();
        phase(Phase.STOPPED);
    }

    /** The device runs again, wherever. */
    void runs() {
        downtime = Duration.ofNanos(System.nanoTime() - stopped);
    }

    private MoveStatus snapshot(Phase phase, String note) {
        return new MoveStatus(
                phase,
                peer,
                rounds,
                memoryBytes,
                stateBytes,
                dirtyBytesPerSecond,
                Optional.ofNullable(estimate),
                Optional.ofNullable(downtime),
                note);
    }
}
