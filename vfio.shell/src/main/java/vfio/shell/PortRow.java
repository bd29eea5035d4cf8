package vfio.shell;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import vfio.pci.api.manage.NetworkCards.Port;
import vfio.pci.api.manage.NetworkCards.Promiscuous;

/**
 * A port of a network card's switch, as a row.
 *
 * @param name the virtual function, or the host port of a card
 * @param link up or down
 * @param driver whether there is one
 * @param addresses MAC addresses
 * @param queues how many receive and transmit queues are enabled
 * @param counters those that are not 0
 */
record PortRow(String name, String link, String driver, String addresses, String queues, String counters)
        implements Row {
    static PortRow of(Port port) {
        Map<String, Long> counters = new TreeMap<>(port.statistics());
        counters.put("malicious.events", port.maliciousEvents());
        counters.values().removeIf(count -> count == 0);
        return new PortRow(
                port.virtualFunction().map(Object::toString).orElse("host of " + port.physicalFunction()),
                port.linkUp() ? "up" : "down",
                port.driver() ? "yes" : "no",
                addresses(port),
                port.receiveQueues() + "+" + port.transmitQueues(),
                counters.isEmpty()
                        ? Cell.NONE
                        : counters.entrySet().stream()
                                .map(entry -> entry.getKey() + "=" + entry.getValue())
                                .collect(Collectors.joining(" ")));
    }

    private static String addresses(Port port) {
        String filters = String.join(" ", port.addresses());
        return switch (port.promiscuous()) {
            case OFF -> filters.isEmpty() ? Cell.NONE : filters;
            case UNICAST, MULTICAST, ALL -> (filters + " (" + promiscuous(port.promiscuous()) + ")").strip();
        };
    }

    private static String promiscuous(Promiscuous mode) {
        return switch (mode) {
            case OFF -> "not promiscuous";
            case UNICAST -> "and all other unicast";
            case MULTICAST -> "and all multicast";
            case ALL -> "and everything else";
        };
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("port", name),
                Cell.text("link", link),
                Cell.text("driver", driver),
                Cell.text("addresses", addresses),
                Cell.text("RX+TX queues", queues),
                Cell.text("counters", counters));
    }
}
