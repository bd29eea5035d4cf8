package vfio.pci.core;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.mediate.HandOverState;

/**
 * What a driver that is asked would take over.
 *
 * @param from name of the driver before it; empty if the device is being opened or was passed through
 * @param state what that left
 * @param objection why a layout does not fit to what the client knows
 */
record Inheritance(String from, Optional<HandOverState> state, Function<List<RegionInfo>, Optional<String>> objection) {
    /** The device is being opened. */
    static final Inheritance NONE = new Inheritance("", Optional.empty(), layout -> Optional.empty());
}
