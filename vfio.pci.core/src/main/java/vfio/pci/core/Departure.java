package vfio.pci.core;

import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.core.Deadline.Step;

/** How mediations of one device end: the calls that this takes, bounded, and what it means if they fail. */
final class Departure {
    private final PciDevice device;
    private final Core core;

    /** The device is in doubt. */
    static final class LostException extends Exception {
        private static final long serialVersionUID = 1;

        private final String reason;

        LostException(String reason) {
            super(reason);
            this.reason = reason;
        }

        LostException(String reason, Throwable cause) {
            super(reason, cause);
            this.reason = reason;
        }

        /** For an administrator; the first line says it, others show where a thread is. */
        String reason() {
            return reason;
        }
    }

    Departure(PciDevice device, Core core) {
        this.device = device;
        this.core = core;
    }

    /**
     * Suspends and closes a mediation; the gate is held and empty.
     *
     * @return what it leaves to its successor
     * @throws LostException if a call does not return or suspend fails; it is closed all the same in the latter case
     */
    Optional<HandOverState> suspendAndClose(Mediator mediator, Layer ending, Deadline deadline) throws LostException {
        Optional<HandOverState> state = suspend(mediator, ending, deadline);
        close(mediator, ending, deadline);
        return state;
    }

    /**
     * Closes a mediation in which no call is.
     *
     * @throws LostException if close does not return; what it throws is counted and reported only
     */
    void close(Mediator mediator, Layer ending, Deadline deadline) throws LostException {
        try {
            core.calls()
                    .<@Nullable Void>call(
                            call(mediator, "close"),
                            deadline.remaining(Step.CLOSE),
                            () -> {
                                ending.mediation().close();
                                return null;
                            },
                            late -> {});
        } catch (VendorCalls.StuckException e) {
            throw new LostException(e.report(), e);
        } catch (ExecutionException e) {
            core.faults().defect(mediator, "close of " + device.address(), cause(e));
        }
    }

    private Optional<HandOverState> suspend(Mediator mediator, Layer ending, Deadline deadline) throws LostException {
        try {
            return Objects.requireNonNull(
                    core.calls()
                            .call(
                                    call(mediator, "suspend"),
                                    deadline.remaining(Step.SUSPEND),
                                    ending.mediation()::suspend,
                                    late -> {}),
                    "it returned null instead of a state");
        } catch (VendorCalls.StuckException e) {
            throw new LostException(e.report(), e);
        } catch (ExecutionException | NullPointerException e) {
            Throwable thrown = e instanceof ExecutionException wrapped ? VendorFaults.printable(cause(wrapped)) : e;
            core.faults().defect(mediator, "suspend of " + device.address(), thrown);
            close(mediator, ending, deadline);
            throw new LostException(mediator.name() + " failed to suspend it: " + thrown, thrown);
        }
    }

    private String call(Mediator mediator, String method) {
        return mediator.name() + "'s " + method + " of " + device.address();
    }

    private static Throwable cause(ExecutionException e) {
        return Objects.requireNonNullElse(e.getCause(), e);
    }
}
