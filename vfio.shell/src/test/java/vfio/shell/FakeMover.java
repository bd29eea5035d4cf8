package vfio.shell;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceMover;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.pci.PciAddress;

/** Writes down what it is asked for. */
final class FakeMover implements DeviceMover {
    final List<String> requests = new ArrayList<>();

    @Nullable
    MoveStatus status;

    @Nullable
    VfioException failure;

    static MoveStatus status(Phase phase, String note) {
        return new MoveStatus(
                phase,
                "/run/b.sock",
                3,
                5 << 20,
                1000,
                4096,
                Optional.of(Duration.ofMillis(2)),
                Optional.of(Duration.ofMillis(7)),
                note);
    }

    @Override
    public Optional<Path> socket() {
        return Optional.of(Path.of("/run/a/migration.sock"));
    }

    @Override
    public MoveStatus migrate(PciAddress device, Path target, MoveOptions options, Consumer<MoveStatus> progress) {
        requests.add("migrate " + device + " " + target + " " + options);
        progress.accept(status(Phase.COPYING, ""));
        progress.accept(status(Phase.STOPPED, ""));
        throwFailure();
        return status(Phase.DONE, "");
    }

    @Override
    public void settle(PciAddress device) {
        requests.add("settle " + device);
    }

    @Override
    public void switchOver(PciAddress device) {
        requests.add("switchOver " + device);
    }

    @Override
    public void cancel(PciAddress device) {
        requests.add("cancel " + device);
        throwFailure();
    }

    @Override
    public long save(PciAddress device, Path file, boolean keepRunning) {
        requests.add("save " + device + " " + file + " " + keepRunning);
        throwFailure();
        return 1234;
    }

    @Override
    public void restore(PciAddress device, Path file) {
        requests.add("restore " + device + " " + file);
        throwFailure();
    }

    @Override
    public void resume(PciAddress device) {
        requests.add("resume " + device);
    }

    @Override
    public Optional<MoveStatus> status(PciAddress device) {
        return Optional.ofNullable(status);
    }

    private void throwFailure() {
        if (failure != null) {
            throw failure;
        }
    }
}
