package vfio.sim;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;

/**
 * A simulated function in the hands of its user. What is done through it is done to the {@link DeviceModel}; after close
 * every call fails with ENODEV.
 *
 * <p>DMA goes through the {@link vfio.pci.api.device.DmaSpace} given at open, which knows the mappings, so {@link #map} and
 * {@link #unmap} have nothing to do.
 */
final class OpenFunction implements Hardware {
    private static final Logger LOGGER = System.getLogger(OpenFunction.class.getPackageName());
    private static final Duration GOODBYE = Duration.ofSeconds(5);

    private final DeviceModel model;
    private final Consumer<OpenFunction> whenClosed;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final CountDownLatch released = new CountDownLatch(1);

    OpenFunction(DeviceModel model, Consumer<OpenFunction> whenClosed) {
        this.model = model;
        this.whenClosed = whenClosed;
    }

    @Override
    public int regionCount() {
        return model.regionCount();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return model.regionInfo(region);
    }

    @Override
    public void read(RegionAccess access) {
        model().read(access);
    }

    @Override
    public void write(RegionAccess access) {
        model().write(access);
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        return model().memory(region);
    }

    @Override
    public int interruptCount() {
        return model.interrupts().interruptCount();
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        return model.interrupts().interruptInfo(index);
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        model().interrupts().connect(index, action, start, signals);
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        model().interrupts().act(index, action, start, count);
    }

    @Override
    public void disable(int index) {
        model().interrupts().disable(index);
    }

    @Override
    public void map(DmaMapping mapping) {
        model();
    }

    @Override
    public void unmap(DmaMapping mapping) {
        model();
    }

    @Override
    public void stopDma() {
        model().detach();
    }

    @Override
    public Optional<HardwareState> state() {
        return model().state().map(state -> new OpenState(state, this::model));
    }

    @Override
    public boolean resettable() {
        return true;
    }

    @Override
    public void reset() {
        model().reset();
    }

    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            awaitReleased();
            return;
        }
        try {
            model.detach();
        } finally {
            model.interrupts().disableAll();
            whenClosed.accept(this);
            released.countDown();
        }
    }

    /** Whoever closes a second time may take away what the first still uses, so it waits, as long as that may take. */
    private void awaitReleased() {
        try {
            if (!released.await(GOODBYE.toMillis(), TimeUnit.MILLISECONDS)) {
                LOGGER.log(Level.ERROR, "{0} was not given back in time", model.address());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private DeviceModel model() {
        if (closed.get()) {
            throw new VfioException(Errno.ENODEV, model.address() + " has been closed; open it again");
        }
        return model;
    }
}
