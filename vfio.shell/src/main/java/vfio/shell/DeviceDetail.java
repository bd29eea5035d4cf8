package vfio.shell;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.manage.DeviceServer.Endpoint;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/**
 * Everything about one function.
 *
 * @param address where it sits
 * @param ids what it is
 * @param what its class, and whose VF it is
 * @param backend what provides it
 * @param details what else that knows
 * @param openedThrough the interface of the kernel; empty if there is none
 * @param unassignableReason why it cannot be given to a VMM; empty if it can
 * @param user who has it open; empty if nobody has
 * @param mediator who mediates it, or why nobody does; empty if it is not open
 * @param handOvers how often it was handed over; empty if it is not open
 * @param trap how its disablable areas stand; empty if it is not open
 * @param counters what the mediation counts
 * @param mappings the client memory the device may use
 * @param socket where a VMM reaches it; empty if nowhere
 */
record DeviceDetail(
        PciAddress address,
        PciIds ids,
        String what,
        String backend,
        Map<String, String> details,
        String openedThrough,
        String unassignableReason,
        String user,
        String mediator,
        String handOvers,
        String trap,
        Map<String, Long> counters,
        List<DmaMapping> mappings,
        String socket)
        implements Row {
    static DeviceDetail of(PciDevice device, Optional<Use> use, Optional<Endpoint> endpoint) {
        return new DeviceDetail(
                device.address(),
                device.ids(),
                DeviceRow.what(device),
                device.backend(),
                new TreeMap<>(device.details()),
                device.openedThrough().orElse(""),
                device.unassignableReason().orElse(""),
                use.map(Use::user).orElse(""),
                use.map(Use::mediation).orElse(""),
                use.map(Use::handOvers).map(DeviceDetail::text).orElse(""),
                use.map(Use::trap).map(TrapReport::text).orElse(""),
                use.map(Use::counters).orElse(Map.of()),
                use.map(Use::mappings).orElse(List.of()),
                endpoint.map(place -> place.socket().toString()).orElse(""));
    }

    @Override
    public List<Cell> cells() {
        List<Cell> cells = new ArrayList<>();
        cells.add(Cell.text("address", address));
        cells.add(Cell.text("id", ids.id()));
        cells.add(Cell.text("subsystem", PciIds.hex4(ids.subsystemVendor()) + ":" + PciIds.hex4(ids.subsystem())));
        cells.add(Cell.text("class", String.format("%06x", ids.classCode())));
        cells.add(Cell.text("revision", String.format("%02x", ids.revision())));
        cells.add(Cell.text("what", what));
        cells.add(Cell.text("backend", backend));
        details.forEach((name, value) -> cells.add(Cell.text(name, value)));
        if (!openedThrough.isEmpty()) {
            cells.add(Cell.text("opened through", openedThrough));
        }
        cells.add(Cell.text("assignable", unassignableReason.isEmpty() ? "yes" : "no: " + unassignableReason));
        cells.add(Cell.text("socket", socket.isEmpty() ? Cell.NONE : socket));
        cells.add(Cell.text("user", user.isEmpty() ? "nobody" : user));
        if (!user.isEmpty()) {
            cells.add(Cell.text("mediator", mediator));
            cells.add(Cell.text("hand-overs", handOvers));
            cells.add(Cell.text("trap", trap));
            cells.add(Cell.text("counters", Use.text(counters)));
            cells.add(Cell.text(
                    "mappings",
                    mappings.isEmpty()
                            ? Cell.NONE
                            : mappings.stream().map(DmaMapping::toString).collect(Collectors.joining(" "))));
        }
        return cells;
    }

    private static String text(HandOverStatistics statistics) {
        return statistics.count() == 0
                ? "none"
                : statistics.count() + ", accesses held back for " + Milliseconds.text(statistics.last())
                        + " in the last, " + Milliseconds.text(statistics.longest()) + " in the longest";
    }
}
