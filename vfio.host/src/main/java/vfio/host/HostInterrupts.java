package vfio.host;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import vfio.linux.ControlFile;
import vfio.linux.EventFd;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Interrupts;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The interrupts of an open device. The kernel is given the user's eventfd where the signal is one, so that this process has no
 * part in an interrupt; other signals are told by a thread.
 *
 * <p>ERR and REQ are heard here in any case, since they say that the device is lost, and then told to the user.
 */
final class HostInterrupts implements Interrupts, AutoCloseable {
    private final ControlFile device;
    private final String subject;
    private final EventThread events;
    /** What the kernel has of us for ERR and REQ. */
    private final List<EventFd> heard = new ArrayList<>();

    private final List<InterruptInfo> infos = new ArrayList<>();
    /** The vectors of each index as the user has connected them. */
    private final List<@Nullable Vector[]> vectors = new ArrayList<>();
    /** How many vectors of each index the kernel has set up, connected or not. */
    private final int[] enabled;

    /**
     * A connected vector.
     *
     * @param signal the user's
     * @param event what the kernel has
     * @param bridge whether that is not the user's own
     */
    private record Vector(Signal signal, EventFd event, boolean bridge) {}

    /** Hears that a device is being lost. */
    interface Loss {
        /** The interrupt was {@link PciInterrupt#ERR} or {@link PciInterrupt#REQ}. */
        void heard(int index);
    }

    /**
     * Asks the kernel for all types and listens to ERR and REQ.
     *
     * @param device stays the caller's
     * @param loss is told on a thread of its own, after the user
     */
    HostInterrupts(ControlFile device, String subject, int count, Loss loss) {
        this.device = device;
        this.subject = subject;
        for (int index = 0; index < count; index++) {
            infos.add(info(device, subject, index));
            vectors.add(new Vector[infos.get(index).count()]);
        }
        enabled = new int[count];
        events = new EventThread("events of " + subject);
        boolean complete = false;
        try {
            listen(PciInterrupt.ERR, loss);
            listen(PciInterrupt.REQ, loss);
            complete = true;
        } finally {
            if (!complete) {
                stopHearing();
            }
        }
    }

    @Override
    public int interruptCount() {
        return infos.size();
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        return infos.get(index);
    }

    @Override
    public synchronized void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        if (action != InterruptAction.TRIGGER) {
            throw new VfioException(
                    Errno.EINVAL,
                    "the kernel does not tell when interrupts of " + subject + " are masked; send MASK and UNMASK");
        }
        List<@Nullable Vector> fresh = new ArrayList<>();
        boolean complete = false;
        try {
            signals.forEach(signal -> fresh.add(signal == null ? null : vector(signal)));
            if (!isHeardHere(index)) {
                give(index, start, fresh);
            }
            complete = true;
        } finally {
            if (!complete) {
                fresh.forEach(vector -> unbridge(vector));
            }
        }
        Vector[] known = vectors.get(index);
        for (int vector = 0; vector < fresh.size(); vector++) {
            Vector before = known[start + vector];
            known[start + vector] = fresh.get(vector);
            release(before);
        }
    }

    @Override
    public synchronized void act(int index, InterruptAction action, int start, int count) {
        if (isHeardHere(index)) {
            for (int vector = start; vector < start + count; vector++) {
                tell(vectors.get(index)[vector]);
            }
        } else if (enabled[index] != 0) {
            set(Uapi.VFIO_IRQ_SET_DATA_NONE | action.bit(), index, start, Collections.nCopies(count, null), 0);
        }
    }

    @Override
    public synchronized void disable(int index) {
        Vector[] known = vectors.get(index);
        try {
            if (!isHeardHere(index) && enabled[index] != 0) {
                disableInKernel(index);
            }
        } finally {
            for (int vector = 0; vector < known.length; vector++) {
                Vector before = known[vector];
                known[vector] = null;
                release(before);
            }
        }
    }

    /** Disconnects everything. The kernel forgets its part when the device is closed. */
    @Override
    public synchronized void close() {
        stopHearing();
        for (Vector[] known : vectors) {
            for (int vector = 0; vector < known.length; vector++) {
                Vector before = known[vector];
                known[vector] = null;
                release(before);
            }
        }
    }

    private static InterruptInfo info(ControlFile device, String subject, int index) {
        return Structure.askFor(
                        device,
                        KernelCall.DEVICE_GET_IRQ_INFO,
                        subject,
                        Structure.of(Uapi.IRQ_INFO_SIZE).putInt(Uapi.IRQ_INFO_INDEX, index))
                .map(answer -> decode(answer, index))
                .orElse(InterruptInfo.absent(index));
    }

    private static InterruptInfo decode(ByteBuffer answer, int index) {
        int bits = answer.getInt(Uapi.FLAGS);
        Set<InterruptInfo.Flag> flags = EnumSet.noneOf(InterruptInfo.Flag.class);
        for (InterruptInfo.Flag flag : InterruptInfo.Flag.values()) {
            if ((bits & flag.bit()) != 0) {
                flags.add(flag);
            }
        }
        return new InterruptInfo(index, answer.getInt(Uapi.IRQ_INFO_COUNT), flags);
    }

    private void listen(int index, Loss loss) {
        if (index >= infos.size() || infos.get(index).count() == 0) {
            return;
        }
        EventFd event = events.listen(() -> {
            act(index, InterruptAction.TRIGGER, 0, 1);
            loss.heard(index);
        });
        heard.add(event);
        set(Uapi.VFIO_IRQ_SET_DATA_EVENTFD | InterruptAction.TRIGGER.bit(), index, 0, List.of(event), Integer.BYTES);
    }

    private void stopHearing() {
        events.close();
        heard.forEach(EventFd::close);
    }

    /** Connects vectors in the kernel, which wants those of a set all at once. */
    private void give(int index, int start, List<@Nullable Vector> fresh) {
        Vector[] known = vectors.get(index);
        boolean grows = start + fresh.size() > enabled[index];
        if (enabled[index] == 0 || !grows || !infos.get(index).is(InterruptInfo.Flag.NORESIZE)) {
            connectInKernel(index, start, fresh);
            return;
        }
        List<@Nullable Vector> before = Arrays.asList(Arrays.copyOf(known, enabled[index]));
        List<@Nullable Vector> all = new ArrayList<>(Arrays.asList(Arrays.copyOf(known, start + fresh.size())));
        Collections.copy(all.subList(start, all.size()), fresh);
        disableInKernel(index);
        try {
            connectInKernel(index, 0, all);
        } catch (VfioException e) {
            connectInKernel(index, 0, before);
            throw e;
        }
    }

    private void connectInKernel(int index, int start, List<@Nullable Vector> given) {
        List<@Nullable EventFd> descriptors = new ArrayList<>();
        given.forEach(vector -> descriptors.add(vector == null ? null : vector.event()));
        if (enabled[index] != 0 || descriptors.stream().anyMatch(Objects::nonNull)) {
            set(
                    Uapi.VFIO_IRQ_SET_DATA_EVENTFD | InterruptAction.TRIGGER.bit(),
                    index,
                    start,
                    descriptors,
                    Integer.BYTES);
            enabled[index] = Math.max(enabled[index], start + given.size());
        }
    }

    private void disableInKernel(int index) {
        set(Uapi.VFIO_IRQ_SET_DATA_NONE | InterruptAction.TRIGGER.bit(), index, 0, List.of(), 0);
        enabled[index] = 0;
    }

    private void set(int flags, int index, int start, List<@Nullable EventFd> descriptors, int width) {
        int size = Uapi.IRQ_SET_SIZE + descriptors.size() * width;
        ByteBuffer structure = Structure.of(size)
                .putInt(Uapi.FLAGS, flags)
                .putInt(Uapi.IRQ_SET_INDEX, index)
                .putInt(Uapi.IRQ_SET_START, start)
                .putInt(Uapi.IRQ_SET_COUNT, descriptors.size());
        KernelCall.DEVICE_SET_IRQS.on(
                PciInterrupt.name(index) + " of " + subject,
                () -> width == 0
                        ? device.call(Uapi.VFIO_DEVICE_SET_IRQS, structure)
                        : device.call(Uapi.VFIO_DEVICE_SET_IRQS, structure, Uapi.IRQ_SET_SIZE, descriptors));
    }

    private Vector vector(Signal signal) {
        return signal.direct() instanceof EventFd event
                ? new Vector(signal, event, false)
                : new Vector(signal, events.listen(signal::signal), true);
    }

    private static boolean isHeardHere(int index) {
        return index == PciInterrupt.ERR || index == PciInterrupt.REQ;
    }

    private static void tell(@Nullable Vector vector) {
        if (vector != null) {
            vector.signal().signal();
        }
    }

    private void release(@Nullable Vector vector) {
        if (vector != null) {
            unbridge(vector);
            vector.signal().close();
        }
    }

    private void unbridge(@Nullable Vector vector) {
        if (vector != null && vector.bridge()) {
            events.forget(vector.event());
        }
    }
}
