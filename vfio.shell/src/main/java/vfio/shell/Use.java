package vfio.shell;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciAddress;

/**
 * Who uses a device, at one moment.
 *
 * @param user who opened it
 * @param mediator the driver that mediates; empty if the device is passed through, or waits for a driver
 * @param awaiting the driver whose successor it waits for; empty if it does not
 * @param handOvers how often it was handed over
 * @param trap how its disablable areas stand
 * @param counters what the mediation counts
 * @param mappings the client memory the device may use
 */
record Use(
        String user,
        Optional<String> mediator,
        Optional<String> awaiting,
        HandOverStatistics handOvers,
        TrapStatus trap,
        Map<String, Long> counters,
        List<DmaMapping> mappings) {
    /** The use of a device; empty if it is not open, or is being closed. */
    static Optional<Use> of(DeviceManager manager, PciAddress address) {
        return manager.opened(address).flatMap(Use::of);
    }

    private static Optional<Use> of(OpenDevice open) {
        try {
            return Optional.of(new Use(
                    open.user(),
                    open.mediator(),
                    open.awaiting(),
                    open.handOvers(),
                    open.trapStatus(),
                    counters(open),
                    List.copyOf(open.mappings())));
        } catch (VfioException closed) {
            return Optional.empty();
        }
    }

    /** What a driver fails to tell must not hide who has the device; the log says why. */
    private static Map<String, Long> counters(OpenDevice open) {
        try {
            return new TreeMap<>(open.counters());
        } catch (VfioException e) {
            if (e.errno() == Errno.ENODEV) {
                throw e;
            }
            return Map.of();
        }
    }

    /** The mediation, for people. */
    String mediation() {
        return mediator.or(() -> awaiting.map(driver -> "waits for a successor of " + driver))
                .orElse("none, passed through");
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
