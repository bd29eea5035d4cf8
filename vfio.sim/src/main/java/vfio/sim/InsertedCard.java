package vfio.sim;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.HotPlug.Place;
import vfio.pci.api.pci.PciAddress;

/**
 * A card on the bus, whose functions may be pulled out and put back one by one; close pulls out all.
 *
 * <p>What changes the card holds its monitor, also while others let go of a function: they take their time, and who wants to
 * change the same card waits for that.
 */
final class InsertedCard implements AutoCloseable {
    private final Card card;
    private final SharedMemory.Factory memory;
    private final SimulatedBus bus;
    private final Slot first;
    private volatile List<Slot> virtual;
    private boolean claimed;

    private InsertedCard(Card card, SharedMemory.Factory memory, SimulatedBus bus) {
        this.card = card;
        this.memory = memory;
        this.bus = bus;
        first = new Slot(card.address(), this::makeFirst);
        virtual = newSlots(0, card.vfs());
    }

    /**
     * Inserts a card; its functions are published in order.
     *
     * @throws VfioException EEXIST if one of its addresses is taken, EINVAL if there are too few
     */
    static InsertedCard insert(Card card, SharedMemory.Factory memory, SimulatedBus bus) {
        InsertedCard inserted = new InsertedCard(card, memory, bus);
        boolean complete = false;
        try {
            inserted.insert();
            complete = true;
            return inserted;
        } finally {
            if (!complete) {
                inserted.close();
            }
        }
    }

    /** The places of the card, whether there is a function or not. */
    Stream<Place> places() {
        return slots().flatMap(slot -> slot
                .function()
                .map(function -> new Place(
                        function,
                        slot.isFull(),
                        slot == first ? virtual.size() : 0,
                        slot == first ? card.vfMaximum() : 0))
                .stream());
    }

    /** The functions that are present, the first one first. */
    Stream<DeviceModel> models() {
        return slots().filter(Slot::isFull)
                .flatMap(slot -> slot.function().stream())
                .map(SimulatedFunction::model);
    }

    /** See {@link vfio.pci.api.manage.HotPlug#remove}. */
    synchronized List<PciAddress> remove(PciAddress address) {
        Slot slot = present(address);
        return empty(slot == first ? slots().filter(Slot::isFull).toList() : List.of(slot));
    }

    /** See {@link vfio.pci.api.manage.HotPlug#removeAlone}. */
    synchronized void removeAlone(PciAddress address) {
        present(address).empty();
    }

    /** See {@link vfio.pci.api.manage.HotPlug#add}. */
    synchronized List<PciAddress> add(PciAddress address) {
        Slot slot = slot(address);
        if (slot.isFull()) {
            throw new VfioException(Errno.EEXIST, address + " is present already");
        }
        if (slot != first && !first.isFull()) {
            throw new VfioException(
                    Errno.ENODEV,
                    address + " is a virtual function of " + first.address()
                            + ", which is not present; put that one back first");
        }
        List<Slot> missing =
                slot == first ? slots().filter(each -> !each.isFull()).toList() : List.of(slot);
        fill(missing);
        return addresses(missing);
    }

    /** See {@link vfio.pci.api.manage.HotPlug#setVirtualFunctions}. */
    synchronized List<PciAddress> setVirtualFunctions(PciAddress address, int count) {
        if (slot(address) != first || card.vfMaximum() == 0) {
            throw new VfioException(Errno.EINVAL, address + " is not a function that can have virtual functions");
        }
        if (count < 0 || count > card.vfMaximum()) {
            throw new VfioException(
                    Errno.EINVAL, address + " can have 0 to " + card.vfMaximum() + " virtual functions, not " + count);
        }
        present(address);
        if (count > virtual.size()) {
            grow(count);
        } else if (count < virtual.size()) {
            shrink(count);
        }
        return addresses(virtual);
    }

    /** Pulls out all functions and frees their addresses. Idempotent. */
    @Override
    public synchronized void close() {
        empty(slots().toList());
        if (claimed) {
            claimed = false;
            bus.free(addresses(slots().toList()));
        }
    }

    private synchronized void insert() {
        bus.claim(this, addresses(slots().toList()));
        claimed = true;
        fill(slots().toList());
    }

    private void grow(int count) {
        List<Slot> before = virtual;
        List<Slot> fresh = newSlots(before.size(), count);
        bus.claim(this, addresses(fresh));
        boolean complete = false;
        try {
            announce(count);
            virtual = Stream.concat(before.stream(), fresh.stream()).toList();
            fill(fresh);
            complete = true;
        } finally {
            if (!complete) {
                virtual = before;
                announce(before.size());
                bus.free(addresses(fresh));
            }
        }
    }

    private void shrink(int count) {
        List<Slot> leaving = virtual.subList(count, virtual.size());
        empty(leaving);
        virtual = List.copyOf(virtual.subList(0, count));
        announce(count);
        bus.free(addresses(leaving));
    }

    /** The physical function says from now on that it has so many virtual ones. */
    private void announce(int count) {
        first.function().orElseThrow().setVirtualFunctions(count);
        first.changed();
    }

    /** Makes functions and publishes them, in order: all of them or none. */
    private void fill(List<Slot> slots) {
        boolean complete = false;
        try {
            slots.forEach(slot -> slot.fill(memory));
            slots.forEach(slot -> slot.publish(bus.publisher()));
            complete = true;
        } finally {
            if (!complete) {
                empty(slots);
            }
        }
    }

    /** Takes functions back, the last one first. */
    private static List<PciAddress> empty(List<Slot> slots) {
        List<Slot> reversed = new ArrayList<>(slots);
        Collections.reverse(reversed);
        reversed.forEach(Slot::empty);
        return addresses(reversed);
    }

    private SimulatedFunction makeFirst(SharedMemory.Factory arena) {
        return SimulatedFunction.physical(card.first().make(arena, virtual.size()));
    }

    private List<Slot> newSlots(int from, int to) {
        return IntStream.range(from, to).mapToObj(this::newSlot).toList();
    }

    private Slot newSlot(int number) {
        PciAddress address = card.virtualFunction(number);
        return new Slot(address, arena -> first.function().orElseThrow().virtual(address, number, arena));
    }

    private Stream<Slot> slots() {
        return Stream.concat(Stream.of(first), virtual.stream());
    }

    private Slot slot(PciAddress address) {
        Optional<Slot> found =
                slots().filter(slot -> slot.address().equals(address)).findFirst();
        if (!claimed || found.isEmpty()) {
            throw SimulatedBus.unknown(address);
        }
        return found.get();
    }

    private Slot present(PciAddress address) {
        Slot slot = slot(address);
        if (!slot.isFull()) {
            throw new VfioException(Errno.ENODEV, address + " is not present; put it back with sim:add " + address);
        }
        return slot;
    }

    private static List<PciAddress> addresses(List<Slot> slots) {
        return slots.stream().map(Slot::address).toList();
    }
}
