package vfio.migration;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DeviceMover;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;

/** Moves devices, and takes in those that come from other runtimes. */
@Component(service = DeviceMover.class, immediate = true, configurationPid = "vfio.migration")
@Designate(ocd = DeviceMoverComponent.Configuration.class)
public final class DeviceMoverComponent implements DeviceMover {
    /** Of a move that is over, with the device stopped. */
    private static final Set<Phase> STANDING_STILL = EnumSet.of(Phase.SAVED, Phase.IN_DOUBT);

    /** As whom a device is moved from here; see {@link Migratable}. */
    private static final String USER = "an administrator";

    private final DeviceManager manager;
    private final @Nullable MigrationServer server;
    private final Map<PciAddress, Move> moves = new ConcurrentHashMap<>();

    /** Configuration of {@code vfio.migration}. */
    @ObjectClassDefinition(name = "Device migration")
    @interface Configuration {
        /** The folder for the socket. */
        @AttributeDefinition(
                name = "Socket folder",
                description = "Where migration.sock is made; empty for the folder the runtime was started with")
        String socket_directory() default "";
    }

    /** @param outgoing null if nothing of it can be ended */
    private record Move(Progress progress, @Nullable Outgoing outgoing) {}

    /** Offers the socket, if there is a folder for it. */
    @Activate
    public DeviceMoverComponent(BundleContext context, @Reference DeviceManager manager, Configuration configuration) {
        this.manager = manager;
        server = MigrationServer.open(configuration.socket_directory(), context, (link, peer) -> new Incoming(
                        link, manager, peer, address -> arriving(address, peer))
                .run());
    }

    /** Cancels what can be cancelled and removes the socket. */
    @Deactivate
    public void deactivate() {
        moves.values().forEach(move -> {
            if (move.outgoing() != null) {
                move.outgoing().cancel();
            }
        });
        if (server != null) {
            server.close();
        }
    }

    @Override
    public Optional<Path> socket() {
        return Optional.ofNullable(server).map(MigrationServer::path);
    }

    @Override
    public MoveStatus migrate(PciAddress address, Path target, MoveOptions options, Consumer<MoveStatus> listener) {
        OpenDevice device = opened(address);
        Migratable migration = device.migration(USER);
        Progress progress = new Progress(Phase.CONNECTING, target.toString(), listener);
        Outgoing outgoing = new Outgoing(device, migration, options, progress);
        begin(address, migration, new Move(progress, outgoing));
        try {
            progress.phase(Phase.CONNECTING);
            outgoing.run(new Link(UnixSocket.connect(target)));
            return progress.status();
        } catch (RuntimeException e) {
            if (!progress.status().phase().isOver()) {
                progress.phase(Phase.FAILED, String.valueOf(e.getMessage()));
            }
            throw e;
        }
    }

    @Override
    public void settle(PciAddress address) {
        Outgoing outgoing = outgoing(address);
        outgoing.settle();
        outgoing(address);
    }

    @Override
    public void switchOver(PciAddress address) {
        outgoing(address).switchOver();
    }

    @Override
    public void cancel(PciAddress address) {
        if (!outgoing(address).cancel()) {
            throw new VfioException(
                    Errno.EINVAL, "the target has been told to run " + address + "; that cannot be taken back");
        }
    }

    @Override
    public long save(PciAddress address, Path file, boolean keepRunning) {
        Migratable migration = opened(address).migration(USER);
        Progress progress = new Progress(Phase.COPYING, file.toString(), status -> {});
        begin(address, migration, new Move(progress, null));
        try {
            progress.stops();
            migration.request(MigrationState.STOP_COPY);
            long bytes = StateFile.write(file, migration);
            progress.state(bytes);
            migration.request(keepRunning ? MigrationState.RUNNING : MigrationState.STOP);
            progress.phase(keepRunning ? Phase.SNAPSHOT : Phase.SAVED);
            return bytes;
        } catch (RuntimeException e) {
            String message = String.valueOf(e.getMessage());
            try {
                migration.request(MigrationState.RUNNING);
            } catch (RuntimeException again) {
                e.addSuppressed(again);
                message += "; and the device does not run: " + again.getMessage();
            }
            progress.phase(Phase.FAILED, message);
            throw e;
        }
    }

    @Override
    public void restore(PciAddress address, Path file) {
        OpenDevice device = FreshDevice.require(manager, address);
        Migratable migration = device.migration(USER);
        Progress progress = new Progress(Phase.RECEIVING, file.toString(), status -> {});
        begin(address, migration, new Move(progress, null));
        boolean taken = false;
        try {
            migration.request(MigrationState.RESUMING);
            taken = true;
            StateFile.read(file, migration);
            migration.request(MigrationState.STOP);
            migration.request(MigrationState.RUNNING);
            progress.phase(Phase.ARRIVED);
        } catch (RuntimeException e) {
            if (taken) {
                device.reset();
            }
            progress.phase(Phase.FAILED, String.valueOf(e.getMessage()));
            throw e;
        }
    }

    @Override
    public void resume(PciAddress address) {
        OpenDevice device = opened(address);
        Migratable migration = device.migration(USER);
        Move move = moves.get(address);
        if (move == null || !STANDING_STILL.contains(move.progress().status().phase())) {
            throw new VfioException(Errno.EINVAL, address + " does not stand still because of a move from here");
        }
        migration.request(MigrationState.RUNNING);
        if (move.outgoing() != null) {
            move.outgoing().endLogging();
        }
        move.progress().phase(Phase.CANCELLED, "an administrator let it run here");
    }

    @Override
    public Optional<MoveStatus> status(PciAddress address) {
        return Optional.ofNullable(moves.get(address))
                .map(move -> move.progress().status())
                .map(status -> STANDING_STILL.contains(status.phase()) && runs(address)
                        ? status.with("it was reset here since, and runs as new")
                        : status);
    }

    private boolean runs(PciAddress address) {
        try {
            return opened(address).migration(USER).state() == MigrationState.RUNNING;
        } catch (VfioException e) {
            return false;
        }
    }

    private Progress arriving(PciAddress address, String peer) {
        Progress progress = new Progress(Phase.RECEIVING, peer, status -> {});
        begin(address, opened(address).migration(peer), new Move(progress, null));
        return progress;
    }

    /** One move of a device at a time, and what is known of one that stands still is kept until it runs. */
    private void begin(PciAddress address, Migratable migration, Move move) {
        moves.compute(address, (key, before) -> {
            if (before != null && !before.progress().status().phase().isOver()) {
                throw new VfioException(Errno.EBUSY, address + " is being moved already; vfio:migration tells how far");
            }
            requireRunning(address, migration);
            return move;
        });
    }

    private OpenDevice opened(PciAddress address) {
        return manager.opened(address)
                .orElseThrow(() -> new VfioException(
                        Errno.ENODEV, "nobody has " + address + " open, so there is nothing to move"));
    }

    private Outgoing outgoing(PciAddress address) {
        Move move = moves.get(address);
        if (move == null
                || move.outgoing() == null
                || move.progress().status().phase().isOver()) {
            throw new VfioException(Errno.EINVAL, address + " is not being moved from here");
        }
        return move.outgoing();
    }

    private static void requireRunning(PciAddress address, Migratable migration) {
        if (migration.state() != MigrationState.RUNNING) {
            throw new VfioException(
                    Errno.EBUSY,
                    address + " is " + migration.state()
                            + ", since somebody moves it already, or it stands still after a save or a move in doubt; vfio:migration "
                            + address + " tells, and with resume lets it run in the latter case");
        }
    }
}
