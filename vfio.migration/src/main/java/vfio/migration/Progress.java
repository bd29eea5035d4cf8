package vfio.migration;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
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
    private OptionalLong stopped = OptionalLong.empty();
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

    /** Another round of copying begins. */
    void round(Phase copying) {
        rounds++;
        phase(copying);
    }

    /** What is known from the last round. */
    void estimate(long dirtyPerSecond, Duration expectedDowntime) {
        dirtyBytesPerSecond = dirtyPerSecond;
        estimate = expectedDowntime;
    }

    void memory(long bytes) {
        memoryBytes = bytes;
        update();
    }

    void state(long bytes) {
        stateBytes = bytes;
        update();
    }

    /** The device is stopped now. */
    void stops() {
        stopped = OptionalLong.of(System.nanoTime());
        phase(Phase.STOPPED);
    }

    /** The device runs, wherever; if it was stopped, it is known now for how long. */
    void runs() {
        stopped.ifPresent(since -> downtime = Duration.ofNanos(System.nanoTime() - since));
    }

    /** For those who look; nobody is told. */
    private void update() {
        status = snapshot(status.phase(), status.note());
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
