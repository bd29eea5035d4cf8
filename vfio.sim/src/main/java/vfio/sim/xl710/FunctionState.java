package vfio.sim.xl710;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

/**
 * What a virtual function is besides its registers, in parts that whoever owns them encodes and decodes, and whether the function
 * stands still. {@code docs/stream.md} says what the parts are for.
 *
 * <p>Everything is done by the engine's thread, at one moment between two packets. Decoding touches nothing, so any thread does it.
 */
final class FunctionState implements HardwareState {
    private static final String NEGOTIATION = "negotiation";

    private static final byte[] NOTHING = {};

    private final Engine engine;
    private final Vsi vsi;
    private final InterruptControl interrupts;
    private final ResetProgress reset;
    private final Runnable reportLink;
    private final Runnable writeBack;
    private final Map<String, Part> parts = new LinkedHashMap<>();
    private final Set<Runnable> postponed = new LinkedHashSet<>();
    private boolean frozen;
    private boolean restored;

    /** How a part is encoded, at one moment, and decoded. */
    private record Part(Supplier<byte[]> encoder, Decoder decoder) {}

    /** Decodes a part. */
    private interface Decoder {
        /**
         * Checks all of a part and changes nothing.
         *
         * @param queuePairs how many of them the function has according to the state
         * @return replaces this part of the function's state by it
         * @throws VfioException EINVAL
         */
        Runnable decode(PartReader in, int queuePairs);
    }

    /**
     * @param reportLink tells the driver of the link, if it has introduced itself
     * @param writeBack writes descriptors back that wait for it
     */
    FunctionState(
            Engine engine,
            Vsi vsi,
            Statistics statistics,
            AdminQueue adminQueue,
            InterruptControl interrupts,
            ResetProgress reset,
            Runnable reportLink,
            Runnable writeBack) {
        this.engine = engine;
        this.vsi = vsi;
        this.interrupts = interrupts;
        this.reset = reset;
        this.reportLink = reportLink;
        this.writeBack = writeBack;
        QueueContexts queues = new QueueContexts(vsi);
        parts.put(NEGOTIATION, new Part(vsi::encode, (in, pairs) -> vsi.decode(in)));
        parts.put("filters", new Part(vsi.filters::encode, (in, pairs) -> vsi.filters.decode(in)));
        parts.put("rss", new Part(vsi.scaling::encode, vsi.scaling::decode));
        parts.put("queues", new Part(queues::encode, queues::decode));
        parts.put("statistics", new Part(statistics::encode, (in, pairs) -> statistics.decode(in)));
        parts.put("admin", new Part(adminQueue::encode, (in, pairs) -> adminQueue.decode(in)));
        parts.put("interrupts", new Part(interrupts::encode, interrupts::decode));
        parts.put("reset", new Part(reset::encode, (in, pairs) -> reset.decode(in)));
    }

    @Override
    public void freeze() {
        engine.ask(() -> {
            if (!frozen) {
                writeBack.run();
                frozen = true;
                reset.freeze();
                interrupts.freeze();
            }
            return true;
        });
    }

    @Override
    public void thaw() {
        engine.ask(() -> {
            if (frozen) {
                frozen = false;
                reset.thaw();
                interrupts.thaw(restored);
                restored = false;
                List<Runnable> due = List.copyOf(postponed);
                postponed.clear();
                due.forEach(Runnable::run);
            }
            return true;
        });
    }

    @Override
    public Set<String> parts() {
        return Collections.unmodifiableSet(parts.keySet());
    }

    @Override
    public byte[] read(String part) {
        Part known = parts.get(part);
        if (known == null) {
            throw new VfioException(Errno.EINVAL, "the state of an XL710 VF has no part " + part);
        }
        return engine.ask(known.encoder);
    }

    @Override
    public void check(Map<String, byte[]> given) {
        decode(given);
    }

    @Override
    public void write(Map<String, byte[]> given) {
        List<Runnable> replacements = decode(given);
        engine.ask(() -> {
            if (!frozen) {
                throw new VfioException(Errno.EBUSY, "the function runs; freeze it before its state is replaced");
            }
            replacements.forEach(Runnable::run);
            restored = true;
            postponed.add(reportLink);
            return true;
        });
    }

    /** Whether the function stands still. For the engine's thread, as the following. */
    boolean isFrozen() {
        return frozen;
    }

    /** Does what the host wants, now or when the function is thawed, then once. */
    void unlessFrozen(Runnable action) {
        if (frozen) {
            postponed.add(action);
        } else {
            action.run();
        }
    }

    /** The function is reset: it goes on, and nothing of before counts. */
    void forget() {
        frozen = false;
        restored = false;
        postponed.clear();
    }

    private List<Runnable> decode(Map<String, byte[]> given) {
        if (!given.keySet().equals(parts.keySet())) {
            throw new VfioException(
                    Errno.EINVAL,
                    "this is no state of an XL710 VF: its parts are " + given.keySet() + " and not " + parts.keySet());
        }
        int queuePairs = vsi.decodeQueuePairs(reader(given, NEGOTIATION));
        List<Runnable> replacements = new ArrayList<>();
        parts.forEach((name, part) -> {
            PartReader in = reader(given, name);
            replacements.add(part.decoder.decode(in, queuePairs));
            in.end();
        });
        return replacements;
    }

    private static PartReader reader(Map<String, byte[]> given, String name) {
        return new PartReader(name, given.getOrDefault(name, NOTHING));
    }
}
