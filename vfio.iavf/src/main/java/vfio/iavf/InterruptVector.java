package vfio.iavf;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import vfio.linux.EventFd;

/**
 * An MSI-X vector with its control register.
 *
 * <p>The device disables a vector when it raises it. So a user waits, works until there is nothing left to do, and enables the
 * vector again; what happened in between raises it at once. Some of it may not be seen before: while the vector is disabled,
 * by being raised, the device may leave up to three received descriptors unwritten.
 */
public final class InterruptVector {
    private final RegisterSpace registers;
    private final int control;
    private final @Nullable EventFd event;

    InterruptVector(RegisterSpace registers, int vector, @Nullable EventFd event) {
        this.registers = registers;
        this.control = VfRegister.control(vector);
        this.event = event;
    }

    /** Whether the driver uses interrupts; if not, it polls, and only {@link #disable} may be called. */
    public boolean connected() {
        return event != null;
    }

    /** Lets the device raise the vector once. */
    public void enable() {
        registers.write(control, VfRegister.INTENA | VfRegister.ITR_NONE);
    }

    /** Keeps the device from raising the vector, for one who polls; what happens meanwhile raises it when it is enabled. */
    public void disable() {
        registers.write(control, VfRegister.WB_ON_ITR | VfRegister.ITR_NONE);
    }

    /** Has the device raise the vector without a reason. */
    public void trigger() {
        registers.write(control, VfRegister.INTENA | VfRegister.SWINT_TRIG | VfRegister.ITR_NONE);
    }

    /** Whether the vector is enabled, so has not been raised since it was. */
    public boolean isEnabled() {
        return (registers.read(control) & VfRegister.INTENA) != 0;
    }

    /**
     * Waits for the vector and takes the event.
     *
     * @return how often it was raised; 0 after the timeout
     */
    public long await(Duration timeout) {
        EventFd connected = connectedEvent();
        return connected.await(timeout) ? connected.drain() : 0;
    }

    /** Takes the event without waiting; returns how often the vector was raised. */
    public long take() {
        return connectedEvent().drain();
    }

    private EventFd connectedEvent() {
        if (event == null) {
            throw new IllegalStateException("this driver polls; it has no interrupts");
        }
        return event;
    }
}
