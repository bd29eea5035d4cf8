package vfio.pci.core;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.pci.PciDevice;

/**
 * What open devices share.
 *
 * @param calls threads for calls of vendors
 * @param faults contains what vendors throw
 * @param mediators the snapshot of registered drivers
 * @param loader loads drivers that are not registered yet
 * @param settings what the administrator chose
 * @param explain takes how a choice went
 * @param stopping whether the whole framework is stopping, so that nobody shall wait for anybody
 * @param limits how long what may take
 */
record Core(
        VendorCalls calls,
        VendorFaults faults,
        Supplier<List<Mediator>> mediators,
        Supplier<Optional<DriverLoader>> loader,
        Settings settings,
        Consumer<Explanation> explain,
        BooleanSupplier stopping,
        Limits limits) {
    /** What the administrator chose for a device. */
    interface Settings {
        /** The settings of a device that a driver mediates; null if nobody does. */
        DeviceSettings of(PciDevice device, @Nullable String driver);
    }

    /**
     * Times that are not up to the administrator.
     *
     * @param vendor for what vendors do in one opening, hand-over or close, together; below the 5 s after which QEMU gives up
     * @param withdrawal for a client to close a device that is asked back
     */
    record Limits(Duration vendor, Duration withdrawal) {
        static final Limits DEFAULT = new Limits(Duration.ofMillis(4500), Duration.ofSeconds(2));
    }
}
