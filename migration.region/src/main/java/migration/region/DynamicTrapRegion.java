package migration.region;

import java.lang.System.Logger.Level;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The dynamic-trap information region: tells a client whether the disablable areas of all regions are to be trapped now.
 *
 * <p>Two 32-bit words, each accessed as a whole: {@code dt_fd} at 0, write-only, and {@code trap} at 4, read-only, 1 if
 * disablable areas must not be mapped and 0 if they may be. A descriptor cannot pass through a region, so a write of {@code
 * dt_fd} is refused; a client is told by interrupt {@link PciInterrupt#TRAP_CHANGED} instead. Accesses fail with EINVAL if
 * they are not one whole word, with EACCES if the word does not go in that direction, with EOPNOTSUPP for {@code dt_fd}.
 * An errno is all that a client gets to see of that; so the log says once for each region what to use instead.
 *
 * <p>Source: "mediate ops in vfio-pci", Linux proposal of December 2019, patch 4.
 */
public final class DynamicTrapRegion {
    /** Region type. */
    public static final int TYPE = 4;

    /** Region subtype. */
    public static final int SUBTYPE = 1;

    /** Bytes. */
    public static final int SIZE = 8;

    /** Offset of the word for the descriptor of an eventfd. */
    public static final int DT_FD = 0;

    /** Offset of the word that says whether to trap. */
    public static final int TRAP = 4;

    private final MediationContext context;
    private final int index;
    private final AtomicBoolean told = new AtomicBoolean();

    private DynamicTrapRegion(MediationContext context, int index) {
        this.context = context;
        this.index = index;
    }

    /**
     * Adds the region to a device. Only during {@link vfio.pci.api.mediate.MediateOps#open}.
     *
     * @param context what the core lends the mediation
     */
    public static DynamicTrapRegion add(MediationContext context) {
        EnumSet<RegionInfo.Flag> flags = EnumSet.of(RegionInfo.Flag.READ, RegionInfo.Flag.WRITE);
        RegionInfo region = new RegionInfo(0, SIZE, flags, List.of(), TYPE, SUBTYPE);
        return new DynamicTrapRegion(context, context.addRegion(region));
    }

    /** The index it got. */
    public int index() {
        return index;
    }

    /** Answers a read of this region. */
    public Result read(RegionAccess access) {
        requireWord(access);
        if (access.offset() == DT_FD) {
            throw new VfioException(Errno.EACCES, "dt_fd of the dynamic-trap region cannot be read; trap is at 4");
        }
        access.putInt(0, context.trapRequested() ? 1 : 0);
        return Result.DONE;
    }

    /** Refuses a write of this region. */
    public Result write(RegionAccess access) {
        requireWord(access);
        if (access.offset() == TRAP) {
            throw new VfioException(Errno.EACCES, "trap of the dynamic-trap region is read-only");
        }
        String instead = "a descriptor cannot be passed through dt_fd of the dynamic-trap region; send an eventfd with"
                + " SET_IRQS for interrupt index " + PciInterrupt.TRAP_CHANGED
                + " instead, and acknowledge by unmasking it";
        if (!told.getAndSet(true)) {
            context.logger().log(Level.WARNING, instead);
        }
        throw new VfioException(Errno.EOPNOTSUPP, instead);
    }

    private static void requireWord(RegionAccess access) {
        if (access.length() != Integer.BYTES || access.offset() % Integer.BYTES != 0) {
            throw new VfioException(
                    Errno.EINVAL,
                    "the dynamic-trap region consists of two words of 4 bytes; an access of " + access.length()
                            + " bytes at " + access.offset() + " is neither");
        }
    }
}
