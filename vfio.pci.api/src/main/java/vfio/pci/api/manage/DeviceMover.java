package vfio.pci.api.manage;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/**
 * Moves devices in use to other runtimes, and to and from files. What is moved is the device, and the memory of its client as far as
 * the target's client has mapped the same ranges; of that, what the device writes meanwhile is followed. What the CPUs of a guest
 * write is known to its VMM alone.
 *
 * <p>At most one runtime runs the device at any time; see {@code docs/migration.md} for how that is kept. Safe for several threads;
 * methods that move block until it is done, and one device is moved by one caller at a time.
 */
@ProviderType
public interface DeviceMover {
    /** Where other runtimes can move devices to; empty if this one takes none. */
    Optional<Path> socket();

    /**
     * Moves a device to another runtime. If it fails before the target has been told to run the device, the device runs on here as if
     * nothing had been.
     *
     * @param device that somebody has open
     * @param target socket of the other runtime
     * @param progress is told of every round; it must not wait
     * @return how it went; the phase is DONE
     * @throws VfioException what went wrong; EBUSY if the device is being moved; ECANCELED after {@link #cancel}
     */
    MoveStatus migrate(PciAddress device, Path target, MoveOptions options, Consumer<MoveStatus> progress);

    /**
     * Waits until what a move has read of the client's memory until now is stored at the target. What is copied there afterwards is not
     * overwritten by anything older.
     *
     * @throws VfioException EINVAL if the device is not being moved from here, or no longer
     */
    void settle(PciAddress device);

    /**
     * The client's guest does not run any more: a move that waits for that goes on, and one that copies does not stop to ask.
     *
     * @throws VfioException EINVAL if the device is not being moved from here
     */
    void switchOver(PciAddress device);

    /**
     * Ends a move; the device runs on here.
     *
     * @throws VfioException EINVAL if it is not moved, or the target has been told to run it
     */
    void cancel(PciAddress device);

    /**
     * Writes the state of a device to a file: under another name first, which replaces the file when all of it is on disk. The device is
     * stopped, and stays so until {@link #resume} or a reset.
     *
     * @param keepRunning lets it run on after the state has been taken
     * @return bytes
     * @throws VfioException what went wrong; the device runs on then, and a file that was there is unchanged
     */
    long save(PciAddress device, Path file, boolean keepRunning);

    /**
     * Reads the state of a device from a file and lets the device run. Somebody must have it open, and its guest must not use it.
     *
     * @throws VfioException EBUSY if it is in use; what the file or the device is refused with, and then the device is as after a reset
     */
    void restore(PciAddress device, Path file);

    /**
     * Lets a device run that was stopped here: after {@link #save}, or when nobody knows whether the target of a move runs it.
     *
     * @throws VfioException EINVAL if it does not stand still because of that
     */
    void resume(PciAddress device);

    /** How a move stands, or how the last one ended; empty if the device was never moved. */
    Optional<MoveStatus> status(PciAddress device);
}
