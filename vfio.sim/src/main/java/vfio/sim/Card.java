package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;

/** The functions that come and go together, physical function first, and their memory. */
final class Card implements AutoCloseable {
    private final List<SimulatedFunction> functions = new ArrayList<>();
    private final MemoryArena memory;

    private Card(SharedMemory.Factory factory) {
        memory = new MemoryArena(factory);
    }

    /** An XL710 physical function with its virtual functions. */
    static Card xl710(PciAddress address, int vfs, SharedMemory.Factory factory) {
        return build(factory, card -> {
            String reason = vfs == 0
                    ? null
                    : address + " has " + vfs + " virtual functions; assign one of those, or set vfs to 0";
            card.add(SimulatedFunction.physical(new Xl710Pf(address, card.memory, vfs), reason));
            for (int number = 0; number < vfs; number++) {
                PciAddress virtual = Xl710Pf.virtualFunction(address, number);
                card.add(SimulatedFunction.virtual(new Xl710Vf(virtual, card.memory), address, number));
            }
        });
    }

    /** Integrated graphics. */
    static Card igd(PciAddress address, int deviceId, long aperture, SharedMemory.Factory factory) {
        return build(
                factory,
                card -> card.add(SimulatedFunction.physical(new Igd(address, card.memory, deviceId, aperture), null)));
    }

    /** The educational device. */
    static Card edu(PciAddress address, SharedMemory.Factory factory) {
        return build(factory, card -> card.add(SimulatedFunction.physical(new Edu(address, card.memory), null)));
    }

    List<SimulatedFunction> functions() {
        return List.copyOf(functions);
    }

    /** Takes the functions away from their users, virtual functions first, and frees the memory. */
    @Override
    public void close() {
        for (int index = functions.size() - 1; index >= 0; index--) {
            functions.get(index).remove();
        }
        memory.close();
    }

    private void add(SimulatedFunction function) {
        functions.add(function);
    }

    private static Card build(SharedMemory.Factory factory, Plan plan) {
        Card card = new Card(factory);
        boolean complete = false;
        try {
            plan.fill(card);
            complete = true;
            return card;
        } finally {
            if (!complete) {
                card.close();
            }
        }
    }

    private interface Plan {
        void fill(Card card);
    }
}
