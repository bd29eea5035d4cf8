package vfio.itest.guest;

import java.util.BitSet;
import java.util.Optional;
import vfio.iavf.GuestMemory;
import vfio.linux.MappedMemory;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** The VMM that a function is to come to: it has the function open and memory of its own at the same address, and waits. */
final class Arrival implements AutoCloseable {
    private static final int PAGE = 4096;

    private final VfioUserClient client;
    private final GuestMemory original;
    private Optional<MappedMemory> image;

    private Arrival(VfioUserClient client, GuestMemory original, MappedMemory image) {
        this.client = client;
        this.original = original;
        this.image = Optional.of(image);
    }

    /** Opens a function as for {@code memory}, which is that of the driver where the function is now. */
    static Arrival await(RuntimeProcess runtime, String function, GuestMemory memory) {
        Arrival arrival = new Arrival(
                VfioUserClient.connect(runtime.socket(function)),
                memory,
                MappedMemory.allocate("image", memory.size()));
        boolean ready = false;
        try {
            arrival.client.reset();
            arrival.client.dmaMap(memory.iova(), arrival.image.orElseThrow(), true, true);
            ready = true;
            return arrival;
        } finally {
            if (!ready) {
                arrival.close();
            }
        }
    }

    VfioUserClient client() {
        return client;
    }

    /** Whether the function may use memory, which it may not after a reset. */
    boolean isBusMaster() {
        return (client.readShort(PciRegion.CONFIG, PciConfig.COMMAND) & PciConfig.COMMAND_MASTER) != 0;
    }

    /** What the driver wrote itself since that is followed, which no device has seen. */
    void takeWritten() {
        for (long page : original.writtenPages()) {
            RandomMove.copy(original, image.orElseThrow(), page * PAGE, PAGE);
        }
    }

    /**
     * What has come is what the driver has, byte for byte.
     *
     * @param except pages that the function has written here since
     */
    void assertSameMemory(BitSet except) {
        RandomMove.assertEqual(original, image.orElseThrow(), except);
    }

    /** All memory, when nobody writes it. */
    void takeAll() {
        RandomMove.copy(original, image.orElseThrow(), 0, (int) original.size());
    }

    /** The driver goes on here. */
    void handOver(Station moving) {
        MappedMemory memory = image.orElseThrow();
        image = Optional.empty();
        moving.move(client, memory);
    }

    /** Leaves, unless the driver has gone on here. Idempotent. */
    @Override
    public void close() {
        image.ifPresent(memory -> {
            image = Optional.empty();
            client.close();
            memory.close();
        });
    }
}
