package vfio.user.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.VfioException;

/**
 * Registers of a device, reached through mappings where the server offers them and by messages elsewhere.
 *
 * <p>With {@link ClientOptions#dynamicTrap} this is the client's half of the handshake: when the server withdraws areas, they
 * are unmapped, when it offers them again, they are mapped again, and the server is told that this has been done. An access
 * that has begun is finished first. A region of which the areas cannot be determined or mapped is reached by messages; if the
 * server cannot be told, all of them are. Each such failure is logged. There is one interrupt for that, so a connection has
 * one object of this class at a time.
 *
 * <p>Safe for any number of threads. An access through a mapping allocates nothing and makes no system call; it needs no
 * server, so it does not notice when that has gone.
 */
public final class MappedRegions implements AutoCloseable {
    private final VfioUserClient client;
    private final @Nullable MappedRegion[] byIndex;
    private final List<MappedRegion> all = new ArrayList<>();
    private @Nullable TrapFollower follower;

    private MappedRegions(VfioUserClient client, int[] regions) {
        this.client = client;
        byIndex = new @Nullable MappedRegion[Arrays.stream(regions).max().orElse(-1) + 1];
        for (int region : regions) {
            if (byIndex[region] == null) {
                MappedRegion mapped = new MappedRegion(client, region);
                byIndex[region] = mapped;
                all.add(mapped);
            }
        }
    }

    /**
     * Maps everything that the server offers of some regions.
     *
     * @param client stays the caller's, who closes it after this object
     * @param regions indexes of regions
     * @return the regions, owned by the caller
     * @throws VfioException what the server refuses to tell about a region with; what mapping an area failed with
     */
    public static MappedRegions open(VfioUserClient client, int... regions) {
        MappedRegions mapped = new MappedRegions(client, regions);
        boolean opened = false;
        try {
            mapped.start();
            opened = true;
            return mapped;
        } finally {
            if (!opened) {
                mapped.close();
            }
        }
    }

    /**
     * Reads a register of any region. Allocates nothing in steady state.
     *
     * @param width bytes: 1, 2, 4 or 8
     * @return the value, zero-extended
     */
    public long readRegister(int region, long offset, int width) {
        MappedRegion mapped = mapped(region);
        return mapped == null ? client.readRegister(region, offset, width) : mapped.read(offset, width);
    }

    /**
     * Writes a register of any region. Allocates nothing in steady state.
     *
     * @param width bytes: 1, 2, 4 or 8
     * @param value the data in its low bytes
     */
    public void writeRegister(int region, long offset, int width, long value) {
        MappedRegion mapped = mapped(region);
        if (mapped == null) {
            client.writeRegister(region, offset, width, value);
        } else {
            mapped.write(offset, width, value);
        }
    }

    /** Whether a byte is reached through a mapping at the moment. */
    public boolean isMapped(int region, long offset) {
        MappedRegion mapped = mapped(region);
        return mapped != null && mapped.isMapped(offset);
    }

    /** Unmaps everything; what is accessed later goes by messages. Idempotent. */
    @Override
    public synchronized void close() {
        if (follower != null) {
            follower.close();
        }
        all.forEach(MappedRegion::close);
    }

    /** The interrupt comes first, so that no change after a look at a region goes unnoticed. */
    private synchronized void start() {
        if (client.negotiated().dynamicTrap()) {
            follower = TrapFollower.connect(client, all);
        }
        all.forEach(MappedRegion::refresh);
        if (follower != null) {
            follower.start();
        }
    }

    private @Nullable MappedRegion mapped(int region) {
        return region >= 0 && region < byIndex.length ? byIndex[region] : null;
    }
}
