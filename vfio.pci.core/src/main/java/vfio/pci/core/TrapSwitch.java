package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.EnumSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.manage.TrapStatus.Mode;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciInterrupt;

/**
 * Whether the disablable areas of one open device are trapped, and the handshake with the client that makes it so.
 *
 * <p>Each change of what is requested makes a new generation of the layout. The client is signalled, looks at the layout and
 * acknowledges; the interrupt masks itself in between. An acknowledgement counts for the generation that was signalled last.
 * If there is a newer one by then, the client is signalled again. Trapping is in force from the acknowledgement of a
 * generation in which it is requested, to the next change.
 *
 * <p>No foreign code runs under the monitor but {@link Signal#signal}, which never blocks.
 */
final class TrapSwitch {
    /** The one interrupt of {@link PciInterrupt#TRAP_CHANGED}. */
    static final InterruptInfo INTERRUPT = new InterruptInfo(
            PciInterrupt.TRAP_CHANGED,
            1,
            EnumSet.of(InterruptInfo.Flag.EVENTFD, InterruptInfo.Flag.MASKABLE, InterruptInfo.Flag.AUTOMASKED));

    private static final Logger LOGGER = System.getLogger(TrapSwitch.class.getPackageName());

    private static final long NEVER_SIGNALLED = -1;

    private final PciAddress address;
    private final VendorCalls calls;

    /** Tells the mediation, on a thread that is outside the gate. */
    private final Consumer<Boolean> late;

    private TrapMode how = new TrapMode(Mode.NONE, "the device has not been opened yet");
    private Duration patience = Duration.ZERO;
    private boolean mediationWants;
    private boolean administratorWants;
    private boolean inForce;
    private long generation;
    private long signalledGeneration;
    private long signalledAt;

    /** Whether a signalled generation has not been acknowledged. */
    private boolean announced;

    private boolean masked;
    private Runnable deadline = () -> {};
    private @Nullable Signal signal;
    private long switches;
    private long missed;
    private Duration lastSwitch = Duration.ZERO;

    /** What a step means for the mediation. */
    enum News {
        NONE,
        TRAPPED,
        NOT_TRAPPED;

        void tell(Consumer<Boolean> listener) {
            if (this != NONE) {
                listener.accept(this == TRAPPED);
            }
        }
    }

    TrapSwitch(PciAddress address, VendorCalls calls, Consumer<Boolean> late) {
        this.address = address;
        this.calls = calls;
        this.late = late;
    }

    /**
     * A mediation has taken the device.
     *
     * @param newMode how it can be trapped now
     * @param newPatience how long the client may take to acknowledge
     * @param wish whether the mediation wants to trap
     * @param told whether the mediation was told, when it said so, that trapping is in force
     * @return what it has to hear now
     */
    synchronized News adopt(TrapMode newMode, Duration newPatience, boolean wish, boolean told) {
        boolean hidBefore = hidesAreas();
        patience = newPatience;
        if (how.mode() != newMode.mode()) {
            inForce = newMode.mode() == Mode.ALWAYS;
        }
        how = newMode;
        boolean possible = is(Mode.ALWAYS) || is(Mode.DYNAMIC);
        mediationWants = wish && possible;
        administratorWants &= possible;
        change(hidBefore);
        if (!wish) {
            return News.NONE;
        }
        return possible ? news(told) : News.NOT_TRAPPED;
    }

    /** The mediation asks; see {@link vfio.pci.api.mediate.MediationContext#trap}. It knows from the answer, not by news. */
    synchronized boolean mediationAsks(boolean trapped) {
        requirePossible(trapped);
        boolean hidBefore = hidesAreas();
        mediationWants = trapped;
        change(hidBefore);
        return inForce;
    }

    /** The administrator asks. */
    synchronized News administratorAsks(boolean trapped) {
        requirePossible(trapped);
        boolean hidBefore = hidesAreas();
        boolean wasInForce = inForce;
        administratorWants = trapped;
        change(hidBefore);
        return news(wasInForce);
    }

    synchronized boolean requested() {
        return mediationWants || administratorWants;
    }

    synchronized boolean inForce() {
        return inForce;
    }

    /** Whether the client may not map disablable areas now. */
    synchronized boolean hidesAreas() {
        return is(Mode.DYNAMIC) && requested();
    }

    synchronized TrapStatus status() {
        return new TrapStatus(how.mode(), how.reason(), requested(), inForce, switches, missed, lastSwitch);
    }

    /** Connects, replaces or disconnects the client's signal, and tells it what it has missed. */
    synchronized void connect(InterruptAction action, @Nullable Signal replacement) {
        if (action != InterruptAction.TRIGGER) {
            throw new VfioException(Errno.EINVAL, "the trap interrupt signals TRIGGER only");
        }
        Signal replaced = signal;
        signal = replacement;
        if (replaced != null) {
            replaced.close();
        }
        forgetAnnouncement();
        signalIfDue();
    }

    synchronized News act(InterruptAction action) {
        switch (action) {
            case MASK -> masked = true;
            case TRIGGER -> fire();
            case UNMASK -> {
                return acknowledge();
            }
        }
        return News.NONE;
    }

    synchronized void disable() {
        connect(InterruptAction.TRIGGER, null);
        masked = false;
    }

    /** The device is being closed. */
    synchronized void close() {
        deadline.run();
        how = new TrapMode(Mode.NONE, "the device has been closed");
        inForce = false;
        disable();
    }

    /** What was signalled and not acknowledged went with the old signal; the next one is told again. */
    private void forgetAnnouncement() {
        if (announced) {
            announced = false;
            masked = false;
            signalledGeneration = NEVER_SIGNALLED;
        }
    }

    private News acknowledge() {
        boolean wasInForce = inForce;
        if (announced && signalledGeneration == generation && is(Mode.DYNAMIC)) {
            switches++;
            lastSwitch = Duration.ofNanos(System.nanoTime() - signalledAt);
            inForce = requested();
            deadline.run();
        }
        announced = false;
        masked = false;
        signalIfDue();
        return news(wasInForce);
    }

    private void change(boolean hidBefore) {
        if (hidesAreas() == hidBefore) {
            return;
        }
        deadline.run();
        generation++;
        inForce = is(Mode.ALWAYS);
        if (hidesAreas()) {
            long asked = generation;
            deadline = calls.after(patience, () -> expire(asked));
        }
        signalIfDue();
    }

    private void expire(long asked) {
        synchronized (this) {
            if (asked != generation || inForce || !is(Mode.DYNAMIC)) {
                return;
            }
            missed++;
            LOGGER.log(
                    Level.WARNING,
                    "{0}: the client did not confirm within {1} ms that it has unmapped what is to be trapped; it may map"
                            + " it again",
                    address,
                    patience.toMillis());
            mediationWants = false;
            administratorWants = false;
            generation++;
            signalIfDue();
        }
        late.accept(false);
    }

    private void signalIfDue() {
        if (signal != null && !masked && signalledGeneration != generation) {
            signalledGeneration = generation;
            signalledAt = System.nanoTime();
            announced = true;
            fire();
        }
    }

    private void fire() {
        if (signal != null) {
            masked = true;
            signal.signal();
        }
    }

    private boolean is(Mode mode) {
        return how.mode() == mode;
    }

    private News news(boolean wasInForce) {
        if (wasInForce == inForce) {
            return News.NONE;
        }
        return inForce ? News.TRAPPED : News.NOT_TRAPPED;
    }

    private void requirePossible(boolean trapped) {
        if (trapped && (is(Mode.NONE) || is(Mode.NEVER))) {
            throw new VfioException(Errno.EOPNOTSUPP, address + " cannot be trapped: " + how.reason());
        }
    }
}
