package vfio.shell;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;

/**
 * Who uses a device, at one moment.
 *
 * @param user who opened it
 * @param mediator the driver that mediates; empty if the device is passed through
 * @param counters what the mediation counts
 * @param mappings the client memory the device may use
 */
record Use(String user, Optional<String> mediator, Map<String, Long> counters, List<DmaMapping> mappings) {
    /** The use of a device; empty if it is not open, or is being closed. */
    static Optional<Use> of(DeviceManager manager, PciAddress address) {
        return manager.opened(address).flatMap(Use::of);
    }

    private static Optional<Use> of(OpenDevice open) {
        try {
            return Optional.of(new Use(
                    open.user(), open.mediator(), new TreeMap<>(open.counters()), List.copyOf(open.mappings())));
        } catch (VfioException closed) {
            return Optional.empty();
        }
    }

    /** The mediation, for people. */
    String mediation() {
        return mediator.orElse("none, passed through");
    }

    /** Counters on one line. */
    static String text(Map<String, Long> counters) {
        return counters.isEmpty()
                ? Cell.NONE
                : counters.entrySet().stream()
                        .map(counter -> counter.getKey() + "=" + counter.getValue())
                        .collect(Collectors.joining(" "));
    }
}
