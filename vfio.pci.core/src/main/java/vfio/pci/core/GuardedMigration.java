package vfio.pci.core;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/** A device in the hands of one who moves it, whoever mediates by then. Vendor code runs inside the gate, and what it throws is contained. */
final class GuardedMigration implements Migratable {
    private final PciAddress device;
    private final String user;
    private final Gate gate;
    private final Supplier<Layer> current;
    private final VendorFaults faults;

    GuardedMigration(PciAddress device, String user, Gate gate, Supplier<Layer> current, VendorFaults faults) {
        this.device = device;
        this.user = user;
        this.gate = gate;
        this.current = current;
        this.faults = faults;
    }

    @Override
    public boolean offersPreCopy() {
        return ask("offersPreCopy", Migratable::offersPreCopy);
    }

    @Override
    public boolean offersLogging() {
        return ask("offersLogging", Migratable::offersLogging);
    }

    @Override
    public MigrationState state() {
        return ask("state", Migratable::state);
    }

    @Override
    public void request(MigrationState target) {
        tell("migration state", migration -> migration.request(target));
    }

    @Override
    public long pending() {
        return ask("pending", Migratable::pending);
    }

    @Override
    public int read(ByteBuffer destination) {
        return ask("migration read", migration -> migration.read(destination));
    }

    @Override
    public void write(ByteBuffer source) {
        tell("migration write", migration -> migration.write(source));
    }

    @Override
    public long startLogging(long pageSize, List<DmaRange> ranges) {
        return ask("startLogging", migration -> migration.startLogging(pageSize, ranges));
    }

    @Override
    public void stopLogging() {
        tell("stopLogging", Migratable::stopLogging);
    }

    @Override
    public void report(long iova, long length, long pageSize, ByteBuffer bitmap) {
        tell("report", migration -> migration.report(iova, length, pageSize, bitmap));
    }

    @Override
    public void reset() {
        tell("reset", Migratable::reset);
    }

    /** Fails with ENOTTY if there is nothing to hold. */
    void require() {
        tell("migration", migration -> {});
    }

    private void tell(String call, Consumer<Migratable> what) {
        ask(call, migration -> {
            what.accept(migration);
            return true;
        });
    }

    private <T> T ask(String call, Function<Migratable, T> what) {
        gate.enter();
        try {
            Layer layer = current.get();
            try {
                return what.apply(layer.mediation()
                        .migration(user)
                        .orElseThrow(() -> new VfioException(
                                Errno.ENOTTY, device + " cannot be moved: " + layer.name() + " does not know how")));
            } catch (Throwable thrown) {
                throw faults.contain(layer.mediator(), call, thrown);
            }
        } finally {
            gate.exit();
        }
    }
}
