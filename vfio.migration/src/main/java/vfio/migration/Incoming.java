package vfio.migration;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;

/**
 * A device comes from another runtime.
 *
 * <p>It is run here after COMMIT has arrived, never before. Whatever fails until then, the device here is reset, and the source knows
 * that it has not been run.
 */
final class Incoming {
    private static final Logger LOGGER = System.getLogger(Incoming.class.getPackageName());

    private final Link link;
    private final DeviceManager manager;
    private final String peer;
    private final Function<PciAddress, Progress> begin;
    private @Nullable Progress progress;

    /** @param begin notes that a device is coming, or fails with EBUSY */
    Incoming(Link link, DeviceManager manager, String peer, Function<PciAddress, Progress> begin) {
        this.link = link;
        this.manager = manager;
        this.peer = peer;
        this.begin = begin;
    }

    /** Serves the connection until its end. */
    void run() {
        try {
            if (link.receive() != MessageType.HELLO) {
                throw new VfioException(Errno.EPROTO, "the first message has to say what comes");
            }
            Hello hello = Hello.decode(link.received());
            OpenDevice device = FreshDevice.require(manager, hello.address());
            if (!device.device().ids().equals(hello.ids())) {
                throw new VfioException(
                        Errno.EINVAL,
                        hello.address() + " is " + device.device().ids() + " here, and what comes is " + hello.ids());
            }
            receive(device, device.migration(peer), hello);
        } catch (VfioException e) {
            LOGGER.log(Level.WARNING, "nothing comes from {0}: {1}", peer, e.getMessage());
            refuse(e);
        }
    }

    private void receive(OpenDevice device, Migratable migration, Hello hello) {
        Progress started = begin.apply(hello.address());
        progress = started;
        try {
            migration.request(MigrationState.RESUMING);
        } catch (VfioException e) {
            started.phase(Phase.FAILED, String.valueOf(e.getMessage()));
            throw e;
        }
        boolean runs = false;
        try {
            List<DmaRange> memory = wanted(device, hello.memory());
            Hello.encode(memory, link.payload());
            link.send(MessageType.ACCEPT);
            started.phase(Phase.RECEIVING);
            take(device, migration, memory);
            migration.request(MigrationState.RUNNING);
            runs = true;
            started.phase(Phase.ARRIVED);
            LOGGER.log(Level.INFO, "{0} has come from {1}", hello.address(), peer);
            link.sendEmpty(MessageType.RUNNING);
        } catch (VfioException e) {
            if (runs) {
                LOGGER.log(Level.WARNING, "{0} runs here, and {1} has gone without hearing it", hello.address(), peer);
                return;
            }
            device.reset();
            started.phase(Phase.FAILED, e.getMessage() + "; the device here has been reset");
            throw e;
        }
    }

    /** Until the source gives the device away. */
    private void take(OpenDevice device, Migratable migration, List<DmaRange> memory) {
        Progress told = Objects.requireNonNull(progress);
        long memoryBytes = 0;
        long stateBytes = 0;
        boolean loaded = false;
        while (true) {
            MessageType type = link.receive();
            ByteBuffer payload = link.received();
            if (loaded && type != MessageType.COMMIT) {
                throw new VfioException(Errno.EPROTO, "the source sent " + type + " where COMMIT was due");
            }
            switch (type) {
                case MEMORY -> {
                    memoryBytes += link.memoryLength();
                    store(device, memory, payload.getLong(), link.memoryLength());
                    told.memory(memoryBytes);
                }
                case ROUND -> link.sendEmpty(MessageType.STORED);
                case STATE -> {
                    stateBytes += payload.remaining();
                    migration.write(payload);
                    told.state(stateBytes);
                }
                case LOAD -> {
                    migration.request(MigrationState.STOP);
                    loaded = true;
                    link.sendEmpty(MessageType.LOADED);
                }
                case COMMIT -> {
                    if (!loaded) {
                        throw new VfioException(Errno.EPROTO, "the source sent COMMIT before all was loaded");
                    }
                    return;
                }
                default -> throw new VfioException(Errno.EPROTO, "the source sent " + type + ", which is not for it");
            }
        }
    }

    private void store(OpenDevice device, List<DmaRange> memory, long iova, int length) {
        boolean accepted = memory.stream()
                .anyMatch(range -> Long.compareUnsigned(iova, range.iova()) >= 0
                        && Long.compareUnsigned(iova - range.iova(), range.length()) < 0
                        && length <= range.length() - (iova - range.iova()));
        if (!accepted) {
            throw new VfioException(
                    Errno.EPROTO, "memory at 0x" + Long.toHexString(iova) + " came and had not been accepted");
        }
        link.receiveMemory(device.memory(), iova);
    }

    /** What the client here has mapped as the other one has. */
    private static List<DmaRange> wanted(OpenDevice device, List<DmaRange> offered) {
        List<DmaRange> here = device.mappings().stream()
                .filter(DmaMapping::writable)
                .map(mapping -> new DmaRange(mapping.iova(), mapping.size()))
                .toList();
        return offered.stream().filter(here::contains).toList();
    }

    private void refuse(VfioException why) {
        try {
            link.refuse(why);
        } catch (VfioException e) {
            LOGGER.log(Level.DEBUG, "{0} has gone: {1}", peer, e.getMessage());
        }
    }
}
