package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/**
 * The signals by which the user of a device hears of interrupts. While no mediation wants to hear of them first, the hardware is
 * given the user's own, which it may hand on to the kernel; so they are connected anew when one begins or ends to want that.
 */
final class ClientInterrupts {
    private static final Logger LOGGER = System.getLogger(ClientInterrupts.class.getPackageName());

    private final PciAddress address;
    private final Hardware hardware;
    private final Gate gate;
    private final Supplier<Layer> layer;
    private final VendorFaults faults;
    private final Map<Integer, NavigableMap<Integer, RelayedSignal.Client>> connected = new HashMap<>();
    private boolean relaying;

    /** @param layer who mediates at the moment */
    ClientInterrupts(PciAddress address, Hardware hardware, Gate gate, Supplier<Layer> layer, VendorFaults faults) {
        this.address = address;
        this.hardware = hardware;
        this.gate = gate;
        this.layer = layer;
        this.faults = faults;
    }

    /** Connects vectors to be told when they fire. Takes the signals over on success. */
    synchronized void connect(int index, int start, List<@Nullable Signal> signals) {
        NavigableMap<Integer, RelayedSignal.Client> vectors = new TreeMap<>();
        for (int vector = 0; vector < signals.size(); vector++) {
            Signal signal = signals.get(vector);
            if (signal != null) {
                vectors.put(start + vector, new RelayedSignal.Client(signal));
            }
        }
        give(index, start, signals.size(), vectors, relaying);
        NavigableMap<Integer, RelayedSignal.Client> known = connected.computeIfAbsent(index, none -> new TreeMap<>());
        known.subMap(start, start + signals.size()).clear();
        known.putAll(vectors);
    }

    /** Disconnects all vectors of a type. */
    synchronized void disable(int index) {
        hardware.disable(index);
        connected.remove(index);
    }

    /** Whoever mediates now may have changed its mind about hearing of interrupts. */
    void follow() {
        follow(layer.get());
    }

    /** Somebody is about to mediate. */
    synchronized void follow(Layer next) {
        LentContext context = next.context();
        boolean wanted = context != null && context.relays();
        if (wanted == relaying) {
            return;
        }
        connected.forEach((index, vectors) -> {
            if (!vectors.isEmpty()) {
                give(index, vectors.firstKey(), vectors.lastKey() - vectors.firstKey() + 1, vectors, wanted);
            }
        });
        relaying = wanted;
    }

    private void give(
            int index, int start, int count, NavigableMap<Integer, RelayedSignal.Client> vectors, boolean relayed) {
        List<@Nullable Signal> signals = new ArrayList<>();
        List<RelayedSignal> fresh = new ArrayList<>();
        for (int vector = start; vector < start + count; vector++) {
            RelayedSignal.Client client = vectors.get(vector);
            RelayedSignal signal = client == null
                    ? null
                    : new RelayedSignal(client, relayed ? this::interrupted : null, index, vector);
            signals.add(signal);
            if (signal != null) {
                fresh.add(signal);
            }
        }
        boolean taken = false;
        try {
            hardware.connect(index, InterruptAction.TRIGGER, start, signals);
            taken = true;
        } finally {
            if (!taken) {
                fresh.forEach(RelayedSignal::discard);
            }
        }
    }

    /** On the device's own thread, which must not wait: an interrupt that comes while the device is handed over is not relayed. */
    private void interrupted(int index, int vector) {
        LentContext listener = layer.get().context();
        if (listener == null || !listener.relays() || !gate.tryEnter()) {
            return;
        }
        try {
            Layer current = layer.get();
            if (current.context() == listener) {
                current.mediation().interrupt(index, vector);
            }
        } catch (Throwable thrown) {
            VfioException contained = faults.contain(layer.get().mediator(), "interrupt", thrown);
            LOGGER.log(Level.DEBUG, "{0}: {1}", address, contained.getMessage());
        } finally {
            gate.exit();
        }
    }
}
