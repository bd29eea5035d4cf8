package vfio.user;

import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;

/** Which handler serves which command, and whether descriptors may come with it. */
final class Dispatcher {
    /** Serves a command: checks the request, acts, composes the reply, returns the size of the reply's data. */
    @FunctionalInterface
    interface Handler {
        int handle(Session session);
    }

    private static final Map<Command, Handler> HANDLERS = new EnumMap<>(Map.ofEntries(
            Map.entry(Command.DMA_MAP, DmaCommands::map),
            Map.entry(Command.DMA_UNMAP, DmaCommands::unmap),
            Map.entry(Command.DEVICE_GET_INFO, DeviceCommands::getInfo),
            Map.entry(Command.DEVICE_GET_REGION_INFO, DeviceCommands::getRegionInfo),
            Map.entry(Command.DEVICE_GET_REGION_IO_FDS, DeviceCommands::getRegionIoFds),
            Map.entry(Command.DEVICE_GET_IRQ_INFO, DeviceCommands::getIrqInfo),
            Map.entry(Command.DEVICE_SET_IRQS, InterruptCommands::setIrqs),
            Map.entry(Command.REGION_READ, RegionCommands::read),
            Map.entry(Command.REGION_WRITE, RegionCommands::write),
            Map.entry(Command.REGION_WRITE_MULTI, RegionCommands::writeMulti),
            Map.entry(Command.DEVICE_RESET, DeviceCommands::reset),
            Map.entry(Command.DEVICE_FEATURE, FeatureCommands::feature),
            Map.entry(Command.MIG_DATA_READ, MigrationCommands::read),
            Map.entry(Command.MIG_DATA_WRITE, MigrationCommands::write)));

    private Dispatcher() {}

    /**
     * Serves the request that the session's channel has received.
     *
     * @throws VfioException what the error reply says
     */
    static int dispatch(Session session, int number) {
        @Nullable Command command = Command.of(number);
        @Nullable Handler handler = command == null ? null : HANDLERS.get(command);
        if (handler == null) {
            throw command == Command.VERSION
                    ? Session.invalid("the version has been negotiated already")
                    : new VfioException(Errno.ENOSYS, "command " + number + " is not for a server");
        }
        if (session.channel().oversized()) {
            throw new VfioException(
                    Errno.EMSGSIZE,
                    "the message exceeds the agreed size of "
                            + session.channel().dataMaximum());
        }
        if (session.channel().descriptors().overflowed()) {
            throw new VfioException(Errno.EMFILE, "more descriptors came with the message than were agreed");
        }
        boolean wanted = command == Command.DMA_MAP || command == Command.DEVICE_SET_IRQS;
        if (!wanted && session.channel().descriptors().count() != 0) {
            throw Session.invalid(command + " takes no descriptors");
        }
        return handler.handle(session);
    }
}
