package vfio.sim;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.InterruptInfo.Flag;
import vfio.pci.api.device.Interrupts;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The interrupts of a function.
 *
 * <p>As with kernel VFIO, delivery is steered by connecting and masking alone. There it is the host that owns the MSI-X
 * table; here, what a client writes into the MSI and MSI-X capabilities and into the MSI-X table is stored and read back
 * but decides nothing. The INTx Disable bit of the command register is honoured.
 *
 * <p>An event on a masked vector waits for the unmask; an event on a vector that is not connected is lost.
 */
final class InterruptTable implements Interrupts {
    private static final List<Set<Flag>> FLAGS = List.of(
            EnumSet.of(Flag.EVENTFD, Flag.MASKABLE, Flag.AUTOMASKED),
            EnumSet.of(Flag.EVENTFD, Flag.NORESIZE),
            EnumSet.of(Flag.EVENTFD, Flag.MASKABLE),
            EnumSet.of(Flag.EVENTFD, Flag.NORESIZE),
            EnumSet.of(Flag.EVENTFD, Flag.NORESIZE));

    private final InterruptInfo[] infos = new InterruptInfo[PciInterrupt.COUNT];
    private final InterruptVector[][] vectors = new InterruptVector[PciInterrupt.COUNT][];
    private final LevelVector intx;

    /**
     * @param counts number of vectors by interrupt index
     * @param intxRequested whether the function requests INTx now; calls nothing here
     * @param intxEnabled whether the command register lets INTx through; calls nothing here
     */
    InterruptTable(int[] counts, BooleanSupplier intxRequested, BooleanSupplier intxEnabled) {
        intx = new LevelVector(intxRequested, intxEnabled);
        for (int index = 0; index < PciInterrupt.COUNT; index++) {
            infos[index] = counts[index] == 0
                    ? InterruptInfo.absent(index)
                    : new InterruptInfo(index, counts[index], FLAGS.get(index));
            vectors[index] = new InterruptVector[counts[index]];
            for (int vector = 0; vector < counts[index]; vector++) {
                vectors[index][vector] = index == PciInterrupt.INTX ? intx : new EdgeVector();
            }
        }
    }

    @Override
    public int interruptCount() {
        return PciInterrupt.COUNT;
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        return infos[index];
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        check(index, action);
        for (int offset = 0; offset < signals.size(); offset++) {
            vectors[index][start + offset].connect(action, signals.get(offset));
        }
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        check(index, action);
        for (int vector = start; vector < start + count; vector++) {
            switch (action) {
                case MASK -> vectors[index][vector].mask();
                case UNMASK -> vectors[index][vector].unmask();
                case TRIGGER -> vectors[index][vector].fire();
            }
        }
    }

    @Override
    public void disable(int index) {
        for (InterruptVector vector : vectors[index]) {
            vector.disable();
        }
    }

    /** Disconnects everything. */
    void disableAll() {
        for (int index = 0; index < PciInterrupt.COUNT; index++) {
            disable(index);
        }
    }

    /** Forgets what was pending, as a reset of the function does. Connections and masks belong to the user and stay. */
    void reset() {
        for (InterruptVector[] type : vectors) {
            for (InterruptVector vector : type) {
                vector.reset();
            }
        }
        intx.deliver();
    }

    /** The function fires a message-signalled interrupt. A vector that the function does not have is ignored. */
    void fire(int index, int vector) {
        if (vector < vectors[index].length) {
            vectors[index][vector].fire();
        }
    }

    /**
     * From now on the events of a type wait, whether its vectors are masked or not: the function is frozen. On return none is being
     * told. Masks, which belong to the user, stay as they are.
     */
    void hold(int index) {
        for (InterruptVector vector : vectors[index]) {
            vector.hold();
        }
    }

    /** Ends that, and tells what waits. */
    void release(int index) {
        for (InterruptVector vector : vectors[index]) {
            vector.release();
        }
    }

    /** Replaces what waits on the vectors of a type, at most 32 of them: the first in bit 0. */
    void restore(int index, int pending) {
        for (int vector = 0; vector < vectors[index].length; vector++) {
            vectors[index][vector].restore((pending >>> vector & 1) != 0);
        }
    }

    /** INTx may have been requested or enabled. */
    void intxChanged() {
        intx.deliver();
    }

    /** Whether a vector of this type is connected. */
    boolean isConnected(int index) {
        for (InterruptVector vector : vectors[index]) {
            if (vector.isConnected()) {
                return true;
            }
        }
        return false;
    }

    /** The pending bits of 32 vectors of a type, the first in bit 0; as in a pending bit array. */
    long pendingBits(int index, int first) {
        long bits = 0;
        int end = Math.min(first + 32, vectors[index].length);
        for (int vector = first; vector < end; vector++) {
            if (vectors[index][vector].isPending()) {
                bits |= 1L << (vector - first);
            }
        }
        return bits;
    }

    private void check(int index, InterruptAction action) {
        InterruptInfo info = infos[index];
        if (info.count() == 0) {
            throw new VfioException(Errno.EINVAL, "the function has no " + PciInterrupt.name(index) + " interrupt");
        }
        if (action != InterruptAction.TRIGGER && !info.is(Flag.MASKABLE)) {
            throw new VfioException(
                    Errno.EINVAL,
                    PciInterrupt.name(index) + " interrupts of this function cannot be masked; disable them instead");
        }
    }
}
