package vfio.sim.xl710;

import java.util.Arrays;

/**
 * Which ports want frames for an address: up to 63 ports, one bit each. Looking up neither allocates nor depends on how many
 * addresses there are. For one thread.
 */
final class MacTable {
    /** ff:ff:ff:ff:ff:ff. */
    static final long BROADCAST = 0xffff_ffff_ffffL;

    private static final long FREE = -1;
    private static final long[] NO_KEYS = {FREE};

    private long[] keys = NO_KEYS;
    private long[] ports = new long[1];
    private int used;

    /** The ports that want frames for an address, or 0. */
    long ports(long address) {
        return ports[slot(keys, address)];
    }

    void add(long address, int port) {
        if (2 * (used + 1) > keys.length) {
            rebuild();
        }
        int at = slot(keys, address);
        if (keys[at] == FREE) {
            keys[at] = address;
            used++;
        }
        ports[at] |= 1L << port;
    }

    void remove(long address, int port) {
        ports[slot(keys, address)] &= ~(1L << port);
    }

    /** Leaves out addresses that nobody wants any more. */
    private void rebuild() {
        int live = 0;
        for (long wanted : ports) {
            live += wanted == 0 ? 0 : 1;
        }
        long[] oldKeys = keys;
        long[] oldPorts = ports;
        int length = Integer.highestOneBit(4 * (live + 1)) * 2;
        keys = new long[length];
        ports = new long[length];
        Arrays.fill(keys, FREE);
        used = live;
        for (int index = 0; index < oldKeys.length; index++) {
            if (oldPorts[index] != 0) {
                int at = slot(keys, oldKeys[index]);
                keys[at] = oldKeys[index];
                ports[at] = oldPorts[index];
            }
        }
    }

    private static int slot(long[] keys, long address) {
        int mask = keys.length - 1;
        int at = (int) ((address * 0x9e3779b97f4a7c15L) >>> 40) & mask;
        while (keys[at] != FREE && keys[at] != address) {
            at = (at + 1) & mask;
        }
        return at;
    }
}
