package vfio.shell;

import java.util.List;
import vfio.pci.api.manage.HotPlug.Place;
import vfio.pci.api.pci.PciAddress;

/**
 * The place of a function on a bus, as a row.
 *
 * @param address where it is
 * @param id vendor and device of the function
 * @param what its class, and whose VF it is
 * @param virtualFunctions how many it has, of how many it can have
 * @param state whether the function is present or removed
 */
record PlaceRow(PciAddress address, String id, String what, String virtualFunctions, String state) implements Row {
    static PlaceRow of(Place place) {
        return new PlaceRow(
                place.function().address(),
                place.function().ids().id(),
                DeviceRow.what(place.function()),
                place.virtualFunctionMaximum() == 0
                        ? Cell.NONE
                        : place.virtualFunctions() + " of " + place.virtualFunctionMaximum(),
                place.present() ? "present" : "removed");
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("address", address),
                Cell.text("id", id),
                Cell.text("what", what),
                Cell.text("VFs", virtualFunctions),
                Cell.text("state", state));
    }
}
