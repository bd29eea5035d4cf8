package vfio.shell;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.Parameter;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DeviceMover;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Commands that move devices. */
@Component(service = MigrationCommands.class, immediate = true)
@GogoCommand(
        scope = "vfio",
        function = {"migrate", "migration", "save", "restore"})
public final class MigrationCommands {
    private static final String ADDRESS = "address of the device, or the end of it: 3:2.0";
    private static final long MEBIBYTE = 1 << 20;

    private static final Map<String, BiConsumer<DeviceMover, PciAddress>> STEPS = Map.of(
            "settle", DeviceMover::settle,
            "switch-over", DeviceMover::switchOver,
            "cancel", DeviceMover::cancel,
            "resume", DeviceMover::resume);

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceManager manager;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceMover mover;

    /** {@code vfio:migrate [--as DEVICE] [--downtime MS] [--rounds N] [--rate MIB] [--wait] DEVICE TARGET}. */
    @Descriptor(
            "moves an open device to another runtime, with what its client there has mapped of its memory. If it fails,"
                    + " the device runs on here")
    public String migrate(
            CommandSession session,
            @Descriptor("address of the device at the target, if it is another")
                    @Parameter(
                            names = {"--as"},
                            absentValue = "")
                    String as,
            @Descriptor("the device is stopped when what is left takes no more than these milliseconds (50)")
                    @Parameter(
                            names = {"--downtime"},
                            absentValue = "50")
                    String downtime,
            @Descriptor("it is stopped after so many rounds at the latest (30)")
                    @Parameter(
                            names = {"--rounds"},
                            absentValue = "30")
                    String rounds,
            @Descriptor("copies no more than these MiB per second (0: no limit)")
                    @Parameter(
                            names = {"--rate"},
                            absentValue = "0")
                    String rate,
            @Descriptor(
                            "does not stop the device before vfio:migration DEVICE switch-over says that its guest is stopped")
                    @Parameter(
                            names = {"--wait"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean wait,
            @Descriptor(ADDRESS) String device,
            @Descriptor("migration.sock of the other runtime") String target) {
        MoveOptions options = new MoveOptions(
                as.isEmpty() ? Optional.empty() : Optional.of(address(as)),
                Duration.ofMillis(Arguments.count("milliseconds", downtime)),
                Math.max(1, Arguments.count("rounds", rounds)),
                Arguments.count("MiB per second", rate) * MEBIBYTE,
                wait);
        ProgressLine line = new ProgressLine(session.getConsole(), Completion.isInteractive(session));
        return on(device, (present, address) -> {
            try {
                return address + " "
                        + MoveText.text(
                                present.migrate(address, Path.of(target).toAbsolutePath(), options, line::show));
            } finally {
                line.end();
            }
        });
    }

    /** {@code vfio:migration}. */
    @Descriptor("says how devices that are moved stand, and where others can be moved to")
    public String migration() {
        return Request.with(mover, "device mover", "vfio.migration", present -> {
            StringBuilder text = new StringBuilder(present.socket()
                    .map(socket -> "devices come in at " + socket)
                    .orElse("no devices come in; the log says why"));
            Request.with(manager, DeviceManager::devices).stream()
                    .map(PciDevice::address)
                    .forEach(address -> present.status(address).ifPresent(status -> text.append('\n')
                            .append(address)
                            .append(' ')
                            .append(MoveText.text(status))));
            return text.toString();
        });
    }

    /** {@code vfio:migration DEVICE}. */
    @Descriptor("says how a device that is moved stands: rounds, bytes, what the device writes, estimated downtime")
    public String migration(@Descriptor(ADDRESS) String device) {
        return on(device, MigrationCommands::status);
    }

    /** {@code vfio:migration DEVICE settle|switch-over|cancel|resume}. */
    @Descriptor("tells a move how to go on")
    public String migration(
            @Descriptor(ADDRESS) String device,
            @Descriptor(
                            "settle: waits until the memory that was read is at the target. switch-over: the guest is stopped, so the device can be. cancel: the device runs on here. resume: lets a"
                                    + " device run here that stands still, after vfio:save or a move in doubt")
                    String step) {
        BiConsumer<DeviceMover, PciAddress> wanted = STEPS.get(step);
        if (wanted == null) {
            throw new CommandException("'" + step + "' is no step: it is settle, switch-over, cancel or resume");
        }
        return on(device, (present, address) -> {
            wanted.accept(present, address);
            return status(present, address);
        });
    }

    /** {@code vfio:save [--keep-running] DEVICE FILE}. */
    @Descriptor(
            "writes the state of an open device to a file and leaves the device stopped; vfio:migration DEVICE resume lets it"
                    + " run again")
    public String save(
            @Descriptor("lets the device run on, so that the state is one of the past")
                    @Parameter(
                            names = {"--keep-running"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean keepRunning,
            @Descriptor(ADDRESS) String device,
            @Descriptor("where to; a file that is there is replaced when all is written") String file) {
        return on(device, (present, address) -> {
            Path path = Path.of(file).toAbsolutePath();
            long bytes = present.save(address, path, keepRunning);
            return bytes + " bytes of " + address + " are in " + path
                    + (keepRunning
                            ? "; it runs on"
                            : "; it stands still until vfio:migration " + address + " resume, or a reset");
        });
    }

    /** {@code vfio:restore DEVICE FILE}. */
    @Descriptor(
            "reads the state of a device from a file and lets it run; its client must have it open with its guest stopped")
    public String restore(@Descriptor(ADDRESS) String device, @Descriptor("where vfio:save wrote it") String file) {
        return on(device, (present, address) -> {
            Path path = Path.of(file).toAbsolutePath();
            present.restore(address, path);
            return address + " runs with the state in " + path;
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named(words[0]).misused();
    }

    private <T> T on(String device, BiFunction<DeviceMover, PciAddress, T> request) {
        PciAddress address = Request.with(manager, present -> Request.device(present, device))
                .address();
        return Request.with(mover, "device mover", "vfio.migration", present -> request.apply(present, address));
    }

    private static String status(DeviceMover mover, PciAddress address) {
        return address + " " + mover.status(address).map(MoveText::text).orElse("was never moved");
    }

    private static PciAddress address(String text) {
        try {
            return PciAddress.parse(text);
        } catch (IllegalArgumentException e) {
            throw new CommandException("'" + text + "' is not a PCI address in full: write it like 0000:03:02.0");
        }
    }

    /** On a terminal one line that changes; else a line for each step. */
    private static final class ProgressLine {
        private static final String ERASE = "\r\u001b[K";

        private final PrintStream out;
        private final boolean terminal;
        private boolean shown;

        ProgressLine(PrintStream out, boolean terminal) {
            this.out = out;
            this.terminal = terminal;
        }

        void show(MoveStatus status) {
            if (status.phase().isOver()) {
                return;
            }
            out.print(terminal ? ERASE + MoveText.text(status) : MoveText.text(status) + "\n");
            out.flush();
            shown = true;
        }

        void end() {
            if (terminal && shown) {
                out.print(ERASE);
                out.flush();
            }
        }
    }
}
