package vfio.host;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicLong;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** What is the same for every interface of the kernel: what can be mapped, and how much of it is locked. */
abstract class CheckedDomain implements IommuDomain {
    private static final Logger LOGGER = System.getLogger(CheckedDomain.class.getPackageName());

    private final String subject;
    private final LockedMemory limit;
    private final IommuLimits limits;
    private final AtomicLong locked = new AtomicLong();

    /** @param subject the device, for people */
    CheckedDomain(String subject, LockedMemory limit, IommuLimits limits) {
        this.subject = subject;
        this.limit = limit;
        this.limits = limits;
    }

    /** Has the kernel map what has been checked. */
    abstract void map(DmaMapping mapping, MappedMemory memory);

    /** Has the kernel take away what {@link #map(DmaMapping, MappedMemory)} has mapped. */
    abstract void unmapMemory(DmaMapping mapping);

    @Override
    public final void map(DmaMapping mapping) {
        if (!(mapping.memory() instanceof MappedMemory memory)) {
            acceptUnreachable(mapping);
            return;
        }
        limits.check(mapping);
        try {
            map(mapping, memory);
        } catch (VfioException e) {
            throw e.errno() == Errno.ENOMEM ? limit.exceeded(subject(mapping), locked.get() + mapping.size(), e) : e;
        }
        locked.addAndGet(mapping.size());
    }

    @Override
    public final void unmap(DmaMapping mapping) {
        if (mapping.memory() == null) {
            return;
        }
        unmapMemory(mapping);
        locked.addAndGet(-mapping.size());
    }

    /** A mapping, for people. */
    final String subject(DmaMapping mapping) {
        return mapping + " for " + subject;
    }

    /** VMMs map their firmware without a descriptor; no device has business there. RAM is another matter. */
    private void acceptUnreachable(DmaMapping mapping) {
        if (mapping.writable()) {
            throw new VfioException(
                    Errno.EINVAL,
                    subject(mapping)
                            + " came without a descriptor, so a real device cannot reach it; let the VMM"
                            + " use shared memory (QEMU: memory-backend-memfd with share=on)");
        }
        LOGGER.log(Level.DEBUG, "{0} cannot reach {1}, which came without a descriptor", subject, mapping);
    }
}
