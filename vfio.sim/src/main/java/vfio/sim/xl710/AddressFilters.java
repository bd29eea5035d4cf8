package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The addresses for which a function gets frames, its promiscuous modes, and the address that it has got from the physical
 * function. The switch knows the first two. For the engine's thread.
 */
final class AddressFilters {
    /** So many addresses may a function filter. */
    static final int MAXIMUM = 128;

    private static final long ADDRESS = 0xffff_ffff_ffffL;
    private static final int UNICAST = 1;
    private static final int MULTICAST = 2;
    private static final int HEADER = 12;

    private final VirtualSwitch forwarding;
    private final int port;
    private final List<Long> addresses = new ArrayList<>();
    private final long given;
    private long permanent;

    /** @param given the address that the physical function gives it */
    AddressFilters(VirtualSwitch forwarding, int port, long given) {
        this.forwarding = forwarding;
        this.port = port;
        this.given = given;
        permanent = given;
    }

    /** The address that a driver is told is again the one that the physical function gave. */
    void takeBackAddress() {
        permanent = given;
    }

    /** The address that a driver is told. */
    long permanent() {
        return permanent;
    }

    List<Long> addresses() {
        return addresses;
    }

    /** Returns false if there is no room for it. */
    boolean add(long address) {
        if (addresses.contains(address)) {
            return true;
        }
        if (addresses.size() == MAXIMUM) {
            return false;
        }
        addresses.add(address);
        forwarding.addFilter(address, port);
        return true;
    }

    void remove(long address) {
        if (addresses.remove(Long.valueOf(address))) {
            forwarding.removeFilter(address, port);
        }
    }

    void promiscuous(boolean unicast, boolean multicast) {
        forwarding.promiscuous(port, unicast, multicast);
    }

    /** Takes all out of the switch. */
    void clear() {
        List.copyOf(addresses).forEach(this::remove);
        promiscuous(false, false);
    }

    /** Bytes: 6 permanent address, 2 modes, 4 number of filters, then 8 for each filter. */
    byte[] encode() {
        ByteBuffer out =
                ByteBuffer.allocate(HEADER + Long.BYTES * addresses.size()).order(ByteOrder.LITTLE_ENDIAN);
        int unicast = forwarding.isUnicastPromiscuous(port) ? UNICAST : 0;
        int multicast = forwarding.isMulticastPromiscuous(port) ? MULTICAST : 0;
        out.putLong(permanent | (long) (unicast | multicast) << 48).putInt(addresses.size());
        addresses.forEach(out::putLong);
        return out.array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in) {
        long first = in.readLong();
        long address = first & ADDRESS;
        long modes = first >>> 48;
        in.require(isUnicast(address), "the function's address is 0x" + Long.toHexString(address));
        in.require((modes & ~(UNICAST | MULTICAST)) == 0, "promiscuous modes are 0x" + Long.toHexString(modes));
        int count = in.readInt();
        in.require(count >= 0 && count <= MAXIMUM, "there are " + count + " filters, and " + MAXIMUM + " may be");
        List<Long> filters = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            long filter = in.readLong();
            boolean valid = filter > 0 && filter < MacTable.BROADCAST && !filters.contains(filter);
            in.require(valid, "there is a filter for 0x" + Long.toHexString(filter) + ", or there are two");
            filters.add(filter);
        }
        return () -> {
            clear();
            permanent = address;
            filters.forEach(this::add);
            promiscuous((modes & UNICAST) != 0, (modes & MULTICAST) != 0);
        };
    }

    private static boolean isUnicast(long address) {
        return address != 0 && CastType.of(address) == CastType.UNICAST;
    }
}
