package vfio.sim;

import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;

/** The place of one function on the bus. Changes are made by one thread at a time; any thread may look. */
final class Slot {
    private final PciAddress address;
    private final Function<SharedMemory.Factory, SimulatedFunction> maker;
    private volatile @Nullable SimulatedFunction function;
    private volatile @Nullable Publication publication;
    private @Nullable MemoryArena memory;

    /** @param maker makes the function, as after power-on, with memory that the slot will free */
    Slot(PciAddress address, Function<SharedMemory.Factory, SimulatedFunction> maker) {
        this.address = address;
        this.maker = maker;
    }

    PciAddress address() {
        return address;
    }

    /** The function that is here, or was last; empty if there never was one. */
    Optional<SimulatedFunction> function() {
        return Optional.ofNullable(function);
    }

    /** Whether there is a function that others know of. */
    boolean isFull() {
        return publication != null;
    }

    /** Makes the function, which nobody knows yet; follow with {@link #publish} or {@link #empty}. */
    void fill(SharedMemory.Factory factory) {
        MemoryArena arena = new MemoryArena(factory);
        memory = arena;
        function = maker.apply(arena);
    }

    /** Makes the function known. */
    void publish(Publication.Publisher publisher) {
        publication = publisher.publish(function().orElseThrow());
    }

    /** Tells those who know the function that it has changed. */
    void changed() {
        Publication known = publication;
        if (known != null) {
            known.changed();
        }
    }

    /** Takes the function back: from those who know it first, then from its user, if it still has one. Idempotent. */
    void empty() {
        Publication known = publication;
        MemoryArena arena = memory;
        try {
            if (known != null) {
                known.withdraw();
            }
        } finally {
            publication = null;
            SimulatedFunction gone = function;
            if (gone != null) {
                gone.remove();
            }
            if (arena != null) {
                arena.close();
                memory = null;
            }
        }
    }
}
