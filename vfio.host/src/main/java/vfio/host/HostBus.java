package vfio.host;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * The functions of this host that others know of. Changes are made by one thread at a time, which may take as long as it takes
 * users to let go.
 */
final class HostBus implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(HostBus.class.getPackageName());

    private final Sysfs sysfs;
    private final HostFunction.Opener opener;
    private final Publisher publisher;
    private final Worker worker;
    private final Map<PciAddress, Published> published = new HashMap<>();

    /** Makes functions known. */
    interface Publisher {
        Publication publish(PciDevice function);
    }

    /** A function that others know of. */
    interface Publication {
        /** The function has changed. */
        void changed();

        /** Takes it back; returns when its users have let go. */
        void withdraw();
    }

    /** Does what must not hold up the thread on which it is said. */
    interface Worker {
        void later(Runnable work);
    }

    private record Published(HostFunction function, Publication publication) {}

    HostBus(Sysfs sysfs, HostFunction.Opener opener, Publisher publisher, Worker worker) {
        this.sysfs = sysfs;
        this.opener = opener;
        this.publisher = publisher;
        this.worker = worker;
    }

    /** Looks at all functions. */
    synchronized void scan() {
        Map<PciAddress, SysfsFunction> present = new TreeMap<>();
        for (PciAddress address : sysfs.addresses()) {
            sysfs.function(address).ifPresent(function -> present.put(address, function));
        }
        List.copyOf(published.keySet()).stream()
                .filter(address -> !present.containsKey(address))
                .forEach(address -> withdraw(address, "it has been removed"));
        present.values().forEach(this::update);
    }

    /** Looks at one function, and at those whose group it shares: it may have kept them from being used. */
    synchronized void refresh(PciAddress address) {
        Optional<SysfsFunction> present = sysfs.function(address);
        if (present.isEmpty()) {
            withdraw(address, "it has been removed");
        } else {
            update(present.get());
            sysfs.group(address).stream()
                    .filter(other -> published.containsKey(other.address()))
                    .forEach(this::update);
        }
    }

    /** The addresses of the functions that others know of, ascending. */
    synchronized List<PciAddress> addresses() {
        return published.keySet().stream().sorted().toList();
    }

    /** Whether somebody has a function open. */
    synchronized boolean isOpen(PciAddress address) {
        Published known = published.get(address);
        return known != null && known.function().isOpen();
    }

    /** Takes all functions back. */
    @Override
    public synchronized void close() {
        List.copyOf(published.keySet()).forEach(address -> withdraw(address, "the host's devices are switched off"));
    }

    private void update(SysfsFunction now) {
        Published known = published.get(now.address());
        if (known != null && !known.function().ids().equals(now.ids())) {
            withdraw(now.address(), "another device has taken its place");
            known = null;
        }
        if (known != null && !now.isVfio() && known.function().isOpen()) {
            withdraw(now.address(), "it has lost its driver");
            known = null;
        }
        List<SysfsFunction> group = sysfs.group(now.address());
        if (known == null) {
            HostFunction function = new HostFunction(now, group, opener, this::lost);
            published.put(now.address(), new Published(function, publisher.publish(function)));
        } else if (known.function().describe(now, group)) {
            known.publication().changed();
        }
    }

    private void lost(HostFunction function, String reason, boolean forGood) {
        worker.later(() -> {
            synchronized (this) {
                Published known = published.get(function.address());
                if (known == null || known.function() != function) {
                    return;
                }
                withdraw(function.address(), reason);
                if (!forGood) {
                    refresh(function.address());
                }
            }
        });
    }

    private void withdraw(PciAddress address, String reason) {
        Published leaving = published.remove(address);
        if (leaving == null) {
            return;
        }
        if (leaving.function().isOpen()) {
            LOGGER.log(Level.WARNING, "{0} is taken from its user: {1}", address, reason);
        }
        leaving.function().leave();
        try {
            leaving.publication().withdraw();
            leaving.function().close();
        } catch (VfioException e) {
            LOGGER.log(Level.ERROR, address + " was not given back properly", e);
        }
    }
}
