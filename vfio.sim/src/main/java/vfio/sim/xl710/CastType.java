package vfio.sim.xl710;

import vfio.sim.xl710.Statistics.Counter;

/** To whom a frame is addressed, and where that is counted. */
enum CastType {
    UNICAST(Counter.RX_UNICAST, Counter.TX_UNICAST),
    MULTICAST(Counter.RX_MULTICAST, Counter.TX_MULTICAST),
    BROADCAST(Counter.RX_BROADCAST, Counter.TX_BROADCAST);

    private static final long GROUP = 1L << 40;

    private final Counter received;
    private final Counter sent;

    CastType(Counter received, Counter sent) {
        this.received = received;
        this.sent = sent;
    }

    /** Of a destination address, its first byte in the high one of 48 bits. */
    static CastType of(long destination) {
        if (destination == MacTable.BROADCAST) {
            return BROADCAST;
        }
        return (destination & GROUP) == 0 ? UNICAST : MULTICAST;
    }

    Counter received() {
        return received;
    }

    Counter sent() {
        return sent;
    }
}
