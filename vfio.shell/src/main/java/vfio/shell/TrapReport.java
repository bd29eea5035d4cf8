package vfio.shell;

import java.util.List;
import java.util.Locale;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciAddress;

/**
 * How the disablable areas of a device stand.
 *
 * @param address the device
 * @param status what the core says
 */
record TrapReport(PciAddress address, TrapStatus status) implements Row {
    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("address", address),
                Cell.text("mode", status.mode().name().toLowerCase(Locale.ROOT) + ": " + status.reason()),
                Cell.text("trapped", state(status)),
                Cell.text(
                        "confirmed by the client",
                        status.switches() == 0
                                ? "never"
                                : status.switches() + " times, the last after "
                                        + Milliseconds.text(status.lastSwitch())),
                Cell.number("not confirmed in time", status.missed()));
    }

    /** On one line. */
    static String text(TrapStatus status) {
        return status.mode() == TrapStatus.Mode.NONE
                ? status.reason()
                : status.mode().name().toLowerCase(Locale.ROOT) + ", " + state(status);
    }

    private static String state(TrapStatus status) {
        if (status.inForce()) {
            return status.requested() ? "yes" : "yes, although nobody asks for it";
        }
        return status.requested() ? "asked for, the client has not confirmed" : "no";
    }
}
