package vfio.pci.api.manage;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
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

    /** The name of the driver that mediates; empty if the device is passed through. */
    Optional<String> mediator();

    /** What the mediation counts. */
    Map<String, Long> counters();

    /** Number of regions. */
    int regionCount();

    /** A region as the client shall see it. */
    RegionInfo regionInfo(int region);

    /** Reads from a region into the access. Allocates nothing. */
    void read(RegionAccess access);

    /** Writes from the access into a region. Allocates nothing. */
    void write(RegionAccess access);

    /** The memory to map for a region, or null if it cannot be mapped. */
    @Nullable
    SharedMemory mmap(int region);

    /** Number of interrupt types. */
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
     * Takes a range away and releases its memory. On return the device has stopped using it.
     *
     * @throws VfioException ENOENT if the range is not exactly a mapping
     */
    void unmap(long iova, long size);

    /** The mappings, by address. */
    List<DmaMapping> mappings();

    /** Whether {@link #reset} works. */
    boolean resettable();

    /** Resets the function. */
    void reset();

    /**
     * Closes the mediation and the hardware, disconnects interrupts and releases DMA mappings. The state of the device is
     * kept. Idempotent.
     */
    @Override
    void close();
}
