package vfio.sim.xl710;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What is to be known of a port of the switch.
 *
 * @param number of the virtual function, or {@link #HOST}
 * @param driver whether a driver has introduced itself
 * @param addresses it filters for, the first byte in the high one of 48 bits
 * @param unicastPromiscuous whether it gets unicast that nobody owns
 * @param multicastPromiscuous whether it gets all multicast
 * @param receiveQueues how many are enabled
 * @param transmitQueues how many are enabled
 * @param maliciousEvents how many there were
 * @param statistics counters by name
 */
public record PortStatus(
        int number,
        boolean driver,
        List<Long> addresses,
        boolean unicastPromiscuous,
        boolean multicastPromiscuous,
        int receiveQueues,
        int transmitQueues,
        long maliciousEvents,
        Map<String, Long> statistics) {
    /** The number of the host port. */
    public static final int HOST = VirtualSwitch.HOST;

    static PortStatus of(VirtualFunction function, VirtualSwitch forwarding) {
        Vsi vsi = function.vsi();
        return new PortStatus(
                function.number(),
                vsi.isActive(),
                List.copyOf(vsi.filters.addresses()),
                forwarding.isUnicastPromiscuous(function.number()),
                forwarding.isMulticastPromiscuous(function.number()),
                (int) Arrays.stream(vsi.receiveQueues)
                        .filter(queue -> queue.enabled)
                        .count(),
                (int) Arrays.stream(vsi.transmitQueues)
                        .filter(queue -> queue.enabled)
                        .count(),
                function.maliciousEvents(),
                named(function.statistics()));
    }

    static PortStatus of(HostPort port) {
        return new PortStatus(HOST, true, List.of(), true, true, 1, 1, 0, named(port.statistics()));
    }

    private static Map<String, Long> named(Statistics statistics) {
        Map<String, Long> named = new TreeMap<>();
        for (Statistics.Counter counter : Statistics.Counter.values()) {
            named.put(counter.name().toLowerCase(Locale.ROOT).replaceFirst("_", "."), statistics.get(counter));
        }
        return named;
    }
}
