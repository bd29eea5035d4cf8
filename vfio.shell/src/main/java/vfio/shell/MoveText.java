package vfio.shell;

import java.util.Locale;
import vfio.pci.api.manage.MoveStatus;

/** How a move stands, in a line. */
final class MoveText {
    private static final double MEBIBYTE = 1 << 20;

    private MoveText() {}

    static String text(MoveStatus status) {
        String line =
                switch (status.phase()) {
                    case CONNECTING -> "asking " + status.peer();
                    case COPYING -> "round " + status.rounds() + ": " + copied(status);
                    case AWAITING_SWITCH_OVER ->
                        "round " + status.rounds() + ": " + copied(status)
                                + "; stop the guest, then vfio:migration DEVICE switch-over";
                    case STOPPED -> "the device stands still; the rest is sent to " + status.peer();
                    case COMMITTING -> status.peer() + " has all and has been told to run the device";
                    case RECEIVING -> "comes from " + status.peer() + ": " + sizes(status);
                    case DONE -> "runs at " + status.peer() + ": " + sizes(status) + rounds(status) + downtime(status);
                    case ARRIVED -> "came from " + status.peer() + " and runs here: " + sizes(status);
                    case SAVED -> "stands still, its state is in " + status.peer();
                    case SNAPSHOT -> "runs here, and its state as it was is in " + status.peer();
                    case CANCELLED -> "was not moved and runs here" + downtime(status);
                    case FAILED -> "was not moved" + downtime(status);
                    case IN_DOUBT -> "stands still here, and it is not known whether it runs at " + status.peer();
                };
        return status.note().isEmpty() ? line : line + ": " + status.note();
    }

    private static String copied(MoveStatus status) {
        return bytes(status.memoryBytes()) + " copied, " + bytes(status.dirtyBytesPerSecond())
                + "/s written by the device"
                + status.estimatedDowntime()
                        .map(time -> ", estimated downtime " + Milliseconds.text(time))
                        .orElse("");
    }

    private static String sizes(MoveStatus status) {
        return bytes(status.memoryBytes()) + " of memory, " + bytes(status.stateBytes()) + " of state";
    }

    private static String rounds(MoveStatus status) {
        return status.rounds() == 0 ? "" : ", " + status.rounds() + (status.rounds() == 1 ? " round" : " rounds");
    }

    private static String downtime(MoveStatus status) {
        return status.downtime()
                .map(time -> ", stood still for " + Milliseconds.text(time))
                .orElse("");
    }

    private static String bytes(long count) {
        return count < MEBIBYTE ? count + " bytes" : String.format(Locale.ROOT, "%.1f MiB", count / MEBIBYTE);
    }
}
