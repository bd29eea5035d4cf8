package vfio.sim.xl710;

import org.jspecify.annotations.Nullable;

/**
 * The switch between the functions of a card and the host port. A frame goes to every port whose filters name its
 * destination, never back to where it came from:
 *
 * <ul>
 *   <li>unicast to its owners; if there are none, to the host port and to ports in unicast promiscuous mode
 *   <li>multicast to those that have a filter for it or are in multicast promiscuous mode, and to the host port
 *   <li>broadcast to all ports
 * </ul>
 *
 * <p>For the engine's thread.
 */
final class VirtualSwitch {
    /** The number of the host port; the virtual functions are numbered from 0. */
    static final int HOST = 32;

    private final @Nullable SwitchPort[] ports = new @Nullable SwitchPort[HOST + 1];
    private final MacTable filters = new MacTable();
    private long plugged;
    private long unicastPromiscuous;
    private long multicastPromiscuous;

    void plug(int number, SwitchPort port) {
        ports[number] = port;
        plugged |= 1L << number;
    }

    /** Takes a port out, with its modes; its filters are removed by whoever added them. */
    void unplug(int number) {
        ports[number] = null;
        plugged &= ~(1L << number);
        promiscuous(number, false, false);
    }

    void addFilter(long address, int port) {
        filters.add(address, port);
    }

    void removeFilter(long address, int port) {
        filters.remove(address, port);
    }

    void promiscuous(int port, boolean unicast, boolean multicast) {
        long bit = 1L << port;
        unicastPromiscuous = unicast ? unicastPromiscuous | bit : unicastPromiscuous & ~bit;
        multicastPromiscuous = multicast ? multicastPromiscuous | bit : multicastPromiscuous & ~bit;
    }

    boolean isUnicastPromiscuous(int port) {
        return (unicastPromiscuous >>> port & 1) != 0;
    }

    boolean isMulticastPromiscuous(int port) {
        return (multicastPromiscuous >>> port & 1) != 0;
    }

    /** Sends a frame to whoever wants it. Returns whether anybody does. */
    boolean forward(int from, Frame frame) {
        long destination = frame.destination();
        CastType type = CastType.of(destination);
        long wanted = wanted(type, destination) & plugged & ~(1L << from);
        for (long rest = wanted; rest != 0; rest &= rest - 1) {
            SwitchPort port = ports[Long.numberOfTrailingZeros(rest)];
            if (port != null) {
                port.receive(frame, type);
            }
        }
        return wanted != 0;
    }

    private long wanted(CastType type, long destination) {
        return switch (type) {
            case BROADCAST -> -1L;
            case MULTICAST -> filters.ports(destination) | multicastPromiscuous | 1L << HOST;
            case UNICAST -> {
                long owners = filters.ports(destination);
                yield owners != 0 ? owners : unicastPromiscuous | 1L << HOST;
            }
        };
    }
}
