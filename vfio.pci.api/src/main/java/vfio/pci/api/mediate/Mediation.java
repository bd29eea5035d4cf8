package vfio.pci.api.mediate;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ConsumerType;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;

/**
 * A vendor's part in one open device. Every method has a default that passes through, so the empty mediation is exactly the
 * device underneath.
 *
 * <p>Methods may be called by several threads at once until {@link #close} is called, which happens once, after the last
 * call has returned. An access has been checked by the core: the region exists, offset and length lie inside it.
 */
@ConsumerType
public interface Mediation {
    /** What became of an access. */
    enum Result {
        /** The mediation has answered; the access goes no further. */
        DONE,
        /** The device underneath shall answer, with the access as the mediation left it. */
        PASS_THROUGH
    }

    /**
     * Describes a region to the client. Called once for each region while the device is being opened.
     *
     * <p>The size of a region cannot change. What may be mapped is the intersection of what this method offers and what the
     * device underneath allows. Areas must be page-aligned, ascending, disjoint and inside the region; a mediation that
     * offers anything else is refused as if it had declined.
     *
     * @param hardware the region as the device underneath describes it
     * @return the region as the client shall see it
     */
    default RegionInfo regionInfo(RegionInfo hardware) {
        return hardware;
    }

    /**
     * A read of a region. Runs on the path of every trapped access: no allocation, no waiting.
     *
     * @param access where to, with room for the data; valid only during the call
     * @throws VfioException to refuse the access with an errno
     */
    default Result read(RegionAccess access) {
        return Result.PASS_THROUGH;
    }

    /**
     * A write of a region. Runs on the path of every trapped access: no allocation, no waiting.
     *
     * @param access where to, with the data; valid only during the call
     * @throws VfioException to refuse the access with an errno
     */
    default Result write(RegionAccess access) {
        return Result.PASS_THROUGH;
    }

    /**
     * The memory that a client maps for a region. Asked when the client asks for a mappable region.
     *
     * @param region index of a region whose information has the MMAP flag
     * @return memory at least as large as the region, which stays owned by the mediation; null for that of the device
     *     underneath
     */
    default @Nullable SharedMemory mmap(int region) {
        return null;
    }

    /** Numbers that an administrator may want to see, by name. */
    default Map<String, Long> counters() {
        return Map.of();
    }

    /**
     * Moves the device.
     *
     * @param user who does, in a few words: {@code the client}
     * @return the device in the hands of that user, equal for equal users; empty, as by default, if it cannot be moved
     */
    default Optional<Migratable> migration(String user) {
        return Optional.empty();
    }

    /**
     * An interrupt is about to be told to the client, while {@link MediationContext#relayInterrupts} is on. Runs on the device's own
     * thread: it must neither wait nor fail.
     *
     * @param index the type, one of {@link vfio.pci.api.pci.PciInterrupt}
     * @param vector of that type
     */
    default void interrupt(int index, int vector) {}

    /** The client has reset the device, other than by a register. Runs after the device underneath has been reset. */
    default void reset() {}

    /**
     * Begins or ends watching which pages of client memory the device writes. Whoever needs registers to be trapped for that
     * asks with {@link MediationContext#trap} and watches from {@link #trapChanged} on.
     *
     * @throws VfioException EOPNOTSUPP, as by default, if this mediation cannot
     */
    default void track(boolean tracking) {
        throw new VfioException(Errno.EOPNOTSUPP, "this driver does not track what the device writes");
    }

    /**
     * What holds for the disablable areas from now on has changed.
     *
     * @param trapped true: the client has unmapped them, every access to them arrives here. False: it may reach the device
     *     without being seen, because they may be mapped again, or because the client did not confirm in time that it had
     *     unmapped them; a request to trap that was pending is over then
     */
    default void trapChanged(boolean trapped) {}

    /**
     * Another mediation is about to take over. Called once at most, after the last access has returned; only {@link #close}
     * follows. The device underneath still belongs to this mediation, and nobody accesses it meanwhile.
     *
     * <p>What it throws leaves the device in doubt, so the device is failed. Bounded in time like every call of a hand-over.
     *
     * @return what the successor must know; empty if it can begin anew
     */
    default Optional<HandOverState> suspend() {
        return Optional.empty();
    }

    /** The device is being closed, or taken from this mediation. Releases everything; called once. */
    default void close() {}
}
