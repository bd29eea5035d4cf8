package vfio.pci.api.manage;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciDevice;

/**
 * A device in use: the hardware with its mediation in front.
 *
 * <p>Every argument is checked here, once, before mediation or hardware see it; what is out of range fails with {@link
 * VfioException} EINVAL, what is not permitted with EACCES. After close, what reaches the device or its mediation fails with
 * ENODEV; what describes it can still be read. Safe for several threads; accesses of different threads are not ordered.
 */
@ProviderType
public interface OpenDevice extends AutoCloseable {
    /** The function. */
    PciDevice device();

    /** Who opened it. */
    String user();

    /** The name of the driver that mediates; empty if the device is passed through or {@link #awaiting} a driver. */
    Optional<String> mediator();

    /** The name of the driver that has left and whose successor is awaited; empty if the device is not being handed over. */
    Optional<String> awaiting();

    /** How often the device was handed over. */
    HandOverStatistics handOvers();

    /**
     * What the mediation counts; empty if there is none.
     *
     * @throws VfioException EIO if it fails to tell, or does not in time
     */
    Map<String, Long> counters();

    /** Number of regions. */
    int regionCount();

    /**
     * A region as the client shall see it. The areas that may be mapped change with the trap layout, if the client has said
     * that it knows {@link ClientFeature#DYNAMIC_TRAP}; areas are disablable for such a client only.
     */
    RegionInfo regionInfo(int region);

    /** Reads from a region into the access. Allocates nothing. */
    void read(RegionAccess access);

    /** Writes from the access into a region. Allocates nothing. */
    void write(RegionAccess access);

    /** The memory to map for a region, or null if it cannot be mapped. */
    @Nullable
    SharedMemory mmap(int region);

    /**
     * Number of interrupt types: those of the hardware, and {@link vfio.pci.api.pci.PciInterrupt#TRAP_CHANGED} for a client
     * that knows {@link ClientFeature#DYNAMIC_TRAP}.
     */
    int interruptCount();

    /** An interrupt type. */
    InterruptInfo interruptInfo(int index);

    /** Connects vectors to signals; see {@link vfio.pci.api.device.Interrupts#connect}. Takes the signals over on success. */
    void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals);

    /** Masks, unmasks or fires vectors; see {@link vfio.pci.api.device.Interrupts#act}. */
    void act(int index, InterruptAction action, int start, int count);

    /** Disconnects all vectors of a type. */
    void disable(int index);

    /**
     * Lets the device use a range of client memory. Takes the mapping's memory over on success.
     *
     * @throws VfioException EEXIST if it overlaps a mapping, ENOSPC if there are too many
     */
    void map(DmaMapping mapping);

    /**
     * Takes the mappings of a range away and releases their memory. On return the device has stopped using it.
     *
     * @throws VfioException ENOENT if there are none or one would be cut, and then all stay
     */
    void unmap(long iova, long size);

    /** The mappings, by address. */
    List<DmaMapping> mappings();

    /** The client's memory, as the device reaches it. */
    DmaSpace memory();

    /** Whether {@link #reset} works. */
    boolean resettable();

    /** Resets the function. */
    void reset();

    /**
     * Asks on the administrator's behalf that disablable areas be trapped, or no longer. They are trapped as long as
     * administrator or mediation want it.
     *
     * @throws VfioException EOPNOTSUPP, with the reason, if they cannot be
     */
    void trap(boolean trapped);

    /** How the disablable areas stand. */
    TrapStatus trapStatus();

    /**
     * Moves the device.
     *
     * @param user who does, in a few words
     * @return the device in the hands of that user; it stays valid when the driver changes
     * @throws VfioException ENOTTY, with the reason, if it cannot be moved
     */
    Migratable migration(String user);

    /**
     * Asks the mediation to watch, or no longer, which pages of client memory the device writes.
     *
     * @throws VfioException EOPNOTSUPP if it cannot, or there is none
     */
    void track(boolean tracking);

    /**
     * Takes the device back: fires the interrupt {@link vfio.pci.api.pci.PciInterrupt#REQ}, waits a moment for the client to
     * close the device, and closes it then.
     *
     * @param reason why, for the log
     */
    void withdraw(String reason);

    /**
     * Closes the mediation and the hardware, disconnects interrupts and releases DMA mappings. The state of the device is
     * kept. Idempotent.
     */
    @Override
    void close();
}
