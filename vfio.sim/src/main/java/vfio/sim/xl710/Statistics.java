package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** What a function has received and sent. Counted by the engine's thread; others may look, and see numbers a little old. */
final class Statistics {
    /** The counters in {@code struct virtchnl_eth_stats}. */
    enum Counter {
        RX_BYTES(0),
        RX_UNICAST(1),
        RX_MULTICAST(2),
        RX_BROADCAST(3),
        RX_DISCARDS(4),
        RX_UNKNOWN_PROTOCOL(5),
        TX_BYTES(6),
        TX_UNICAST(7),
        TX_MULTICAST(8),
        TX_BROADCAST(9),
        TX_DISCARDS(10),
        TX_ERRORS(11);

        private final int index;

        Counter(int index) {
            this.index = index;
        }
    }

    private final long[] values = new long[Counter.values().length];

    void received(CastType type, int bytes) {
        add(Counter.RX_BYTES, bytes);
        add(type.received(), 1);
    }

    void sent(CastType type, int bytes) {
        add(Counter.TX_BYTES, bytes);
        add(type.sent(), 1);
    }

    void add(Counter counter, long amount) {
        values[counter.index] += amount;
    }

    long get(Counter counter) {
        return values[counter.index];
    }

    /** Appends {@code struct virtchnl_eth_stats}. */
    void encode(ByteBuffer destination) {
        for (long value : values) {
            destination.putLong(value);
        }
    }

    /** The same as bytes. */
    byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(Long.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
        encode(out);
        return out.array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in) {
        long[] counted = new long[values.length];
        Arrays.setAll(counted, index -> in.readLong());
        return () -> System.arraycopy(counted, 0, values, 0, values.length);
    }
}
