package vfio.pci.api.device;

import java.nio.ByteBuffer;
import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A device that can be moved, in the hands of one who moves it: version 2 of the Linux migration contract without its
 * descriptors.
 *
 * <p>Who takes the device out of {@link MigrationState#RUNNING} first has it until it is RUNNING again; the same goes for logging.
 * What others ask for meanwhile fails with EBUSY, but {@link #state} and {@link #reset}. All methods may be called by several
 * threads at once.
 *
 * <p>Source: {@code VFIO_DEVICE_FEATURE_MIGRATION}, {@code _MIG_DEVICE_STATE} and {@code _DMA_LOGGING_*} in {@code
 * include/uapi/linux/vfio.h}.
 */
@ConsumerType
public interface Migratable {
    /** Whether the device has {@link MigrationState#PRE_COPY}. */
    boolean offersPreCopy();

    /** Whether it can log what it writes to client memory. */
    boolean offersLogging();

    /** The state now; that before a transition as long as it lasts. */
    MigrationState state();

    /**
     * Takes the device to a state, by way of others if need be. On return it is there.
     *
     * @throws VfioException EINVAL if no way leads there, EBUSY if somebody else moves the device; else what the device fails
     *     with, and then it is where it was, or in {@link MigrationState#ERROR}: {@link #state} tells
     */
    void request(MigrationState target);

    /**
     * How many bytes of the state can be read now.
     *
     * @throws VfioException EINVAL unless the state is being read
     */
    long pending();

    /**
     * Reads on in the state.
     *
     * @param destination is filled as far as there is something; its position advances
     * @return bytes; 0 at the end, which is preliminary while the device runs
     * @throws VfioException EINVAL unless the state is being read
     */
    int read(ByteBuffer destination);

    /**
     * Writes on in a state that takes effect when {@link MigrationState#RESUMING} is left.
     *
     * @param source from position to limit; its position advances
     * @throws VfioException EINVAL unless a state is being written; EOVERFLOW if it becomes too long
     */
    void write(ByteBuffer source);

    /**
     * Begins to log what the device writes to client memory.
     *
     * @param pageSize what the asker would like, a power of two
     * @param ranges what is to be watched; none: all that is mapped now
     * @return the page size that is used
     * @throws VfioException EOPNOTSUPP if the device cannot; EAGAIN if registers have to be trapped first, which the client has been
     *     asked to confirm; EINVAL if it is logged already or the ranges make no sense
     */
    long startLogging(long pageSize, List<DmaRange> ranges);

    /** Ends it, and also what {@link #startLogging} asked for in vain. Does nothing if nothing is logged. */
    void stopLogging();

    /**
     * Takes out what has been logged of a range since the last time: bit i of byte n is that of page {@code 8 * n + i}. Bits of the
     * bitmap that are set stay set.
     *
     * @param pageSize the one {@link #startLogging} returned
     * @param bitmap from its position on, one bit for each page; the position stays
     * @throws VfioException EINVAL if nothing is logged or the arguments make no sense; the whole range is to be taken as written
     *     then
     */
    void report(long iova, long length, long pageSize, ByteBuffer bitmap);

    /** The device has been reset: it runs, and nobody moves it any more. */
    void reset();
}
