package vfio.user;

import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Signal;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciInterrupt;

/**
 * What an open device promises about its trap layout, without deadlines: a change is signalled, the interrupt masks itself,
 * and unmasking it acknowledges the layout that was signalled last. If that has changed since, the client is signalled again.
 */
final class FakeTrapSwitch {
    static final InterruptInfo INTERRUPT = new InterruptInfo(
            PciInterrupt.TRAP_CHANGED,
            1,
            Set.of(InterruptInfo.Flag.EVENTFD, InterruptInfo.Flag.MASKABLE, InterruptInfo.Flag.AUTOMASKED));

    private boolean requested;
    private boolean inForce;
    private int generation;
    private int signalled;
    private boolean masked;
    private @Nullable Signal signal;
    private int switches;

    synchronized void request(boolean trapped) {
        if (requested != trapped) {
            requested = trapped;
            inForce = false;
            generation++;
            signalIfDue();
        }
    }

    synchronized boolean requested() {
        return requested;
    }

    synchronized void connect(@Nullable Signal replacement) {
        Signal replaced = signal;
        signal = replacement;
        if (replaced != null) {
            replaced.close();
        }
        signalIfDue();
    }

    synchronized boolean connected() {
        return signal != null;
    }

    synchronized void acknowledge() {
        if (masked && signalled == generation) {
            inForce = requested;
            switches++;
        }
        masked = false;
        signalIfDue();
    }

    /** Signals although nothing has changed and whether masked or not. */
    synchronized void signalForNoReason() {
        signal.signal();
    }

    synchronized TrapStatus status() {
        return new TrapStatus(
                TrapStatus.Mode.DYNAMIC, "it is a fake", requested, inForce, switches, 0, Duration.ofNanos(switches));
    }

    private void signalIfDue() {
        if (signal != null && !masked && signalled != generation) {
            signalled = generation;
            masked = true;
            signal.signal();
        }
    }
}
