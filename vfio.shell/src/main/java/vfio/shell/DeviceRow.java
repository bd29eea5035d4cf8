package vfio.shell;

import java.util.List;
import java.util.Optional;
import vfio.pci.api.manage.DeviceServer.Endpoint;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * A function that is present, as a row.
 *
 * @param address where it sits
 * @param id vendor and device
 * @param what its class, and whose VF it is
 * @param backend what provides it
 * @param state free, who uses it, or that it cannot be given to a VMM
 * @param mediator who mediates it
 * @param socket where a VMM reaches it
 */
record DeviceRow(
        PciAddress address, String id, String what, String backend, String state, String mediator, String socket)
        implements Row {
    static DeviceRow of(PciDevice device, Optional<Use> use, Optional<Endpoint> endpoint) {
        return new DeviceRow(
                device.address(),
                device.ids().id(),
                what(device),
                device.backend(),
                use.map(Use::user).orElse(device.unassignableReason().isPresent() ? "not assignable" : "free"),
                use.map(Use::mediation).orElse(Cell.NONE),
                endpoint.map(place -> place.socket().toString()).orElse(Cell.NONE));
    }

    /** What a function is, for people. */
    static String what(PciDevice device) {
        String name = PciClassName.of(device.ids().classCode());
        return device.physicalFunction()
                .map(physical -> name + ", VF " + device.virtualFunctionNumber() + " of " + physical)
                .orElse(name);
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("address", address),
                Cell.text("id", id),
                Cell.text("what", what),
                Cell.text("backend", backend),
                Cell.text("state", state),
                Cell.text("mediator", mediator),
                Cell.text("socket", socket));
    }
}
