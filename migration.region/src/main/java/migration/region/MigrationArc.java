package migration.region;

import static vfio.pci.api.device.MigrationState.PRE_COPY;
import static vfio.pci.api.device.MigrationState.PRE_COPY_P2P;
import static vfio.pci.api.device.MigrationState.RESUMING;
import static vfio.pci.api.device.MigrationState.RUNNING;
import static vfio.pci.api.device.MigrationState.RUNNING_P2P;
import static vfio.pci.api.device.MigrationState.STOP;
import static vfio.pci.api.device.MigrationState.STOP_COPY;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import vfio.pci.api.device.MigrationState;

/**
 * The direct transitions between states; every other one is a path of these. Source: {@code enum vfio_device_mig_state} in Linux
 * {@code include/uapi/linux/vfio.h}.
 */
enum MigrationArc {
    /** Begins nothing of its own any more towards other devices. */
    QUIESCE(RUNNING, RUNNING_P2P),
    /** As it was. */
    UNQUIESCE(RUNNING_P2P, RUNNING),
    /** Stops as a whole: no DMA, no interrupt. */
    HALT(RUNNING_P2P, STOP),
    /** Answers again. */
    START(STOP, RUNNING_P2P),
    /** A state is going to be read while the device runs: tracking begins. */
    BEGIN_PRE_COPY(RUNNING, PRE_COPY),
    /** The same, of a device that is quiet already. */
    BEGIN_QUIET_PRE_COPY(RUNNING_P2P, PRE_COPY_P2P),
    /** Goes quiet while its state is being read. */
    QUIESCE_PRE_COPY(PRE_COPY, PRE_COPY_P2P),
    /** As it was. */
    UNQUIESCE_PRE_COPY(PRE_COPY_P2P, PRE_COPY),
    /** What was read is given up. */
    ABANDON_PRE_COPY(PRE_COPY, RUNNING),
    /** The same, of a device that is quiet. */
    ABANDON_QUIET_PRE_COPY(PRE_COPY_P2P, RUNNING_P2P),
    /** Stops and has the rest of its state read, in the same session. */
    FINISH(PRE_COPY_P2P, STOP_COPY),
    /** The state of a stopped device is going to be read. */
    BEGIN_STOP_COPY(STOP, STOP_COPY),
    /** The session ends. */
    END_STOP_COPY(STOP_COPY, STOP),
    /** A state is going to be written. */
    BEGIN_RESUMING(STOP, RESUMING),
    /** What was written takes effect, as a whole. */
    END_RESUMING(RESUMING, STOP);

    private final MigrationState from;
    private final MigrationState to;

    MigrationArc(MigrationState from, MigrationState to) {
        this.from = from;
        this.to = to;
    }

    MigrationState to() {
        return to;
    }

    /**
     * The shortest path between two states. A session in which state is read is never begun on the way, so states that save lie
     * within a path only if it leads from one such state to another; and what has been stopped and read cannot be read again
     * while running.
     *
     * @return empty if there is none, or if the states are the same
     */
    static List<MigrationArc> path(MigrationState start, MigrationState end) {
        if (start == STOP_COPY && end.isSaving()) {
            return List.of();
        }
        boolean throughSaving = start.isSaving() && end.isSaving();
        Map<MigrationState, MigrationArc> reachedBy = new EnumMap<>(MigrationState.class);
        Deque<MigrationState> reached = new ArrayDeque<>(List.of(start));
        while (!reached.isEmpty() && !reachedBy.containsKey(end)) {
            MigrationState state = reached.remove();
            for (MigrationArc arc : values()) {
                boolean passable = arc.to == end || !arc.to.isSaving() || throughSaving;
                if (arc.from == state && arc.to != start && passable && !reachedBy.containsKey(arc.to)) {
                    reachedBy.put(arc.to, arc);
                    reached.add(arc.to);
                }
            }
        }
        List<MigrationArc> path = new ArrayList<>();
        for (MigrationArc arc = reachedBy.get(end); arc != null; arc = reachedBy.get(arc.from)) {
            path.add(arc);
        }
        Collections.reverse(path);
        return path;
    }
}
