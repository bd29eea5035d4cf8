package vfio.shell;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.osgi.framework.Bundle;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;

/** The devices that the drivers of some bundles had before an update, and what becomes of them. */
final class Handed {
    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);

    /** Longer than a hand-over may take. */
    private static final int LOOKS = 1_100;

    private final DeviceManager manager;
    private final Set<Long> bundleIds;
    private final Map<PciAddress, Had> devices = new TreeMap<>();

    /** A device as it was before. */
    private record Had(String driver, OpenDevice device, long handOvers) {
        /** Whether its driver never let go of it. */
        boolean isUntouched() {
            return device.handOvers().count() == handOvers && device.mediator().equals(Optional.of(driver));
        }
    }

    private Handed(DeviceManager manager, Set<Long> bundleIds) {
        this.manager = manager;
        this.bundleIds = bundleIds;
    }

    /** Before the update of a bundle, with all that are restarted with it. */
    static Handed before(DeviceManager manager, Collection<Bundle> restarted) {
        Handed handed = new Handed(
                manager, restarted.stream().map(Bundle::getBundleId).collect(Collectors.toUnmodifiableSet()));
        for (MediatorInfo driver : manager.mediators()) {
            if (handed.bundleIds.contains(driver.bundleId())) {
                driver.devices().forEach(address -> handed.add(address, driver.name()));
            }
        }
        return handed;
    }

    /** Gives back what another driver has taken meanwhile. Returns a sentence for each device that was handed over. */
    List<String> after() {
        List<String> sentences = new ArrayList<>();
        devices.forEach((address, had) -> {
            if (!had.isUntouched()) {
                sentences.add(address + " " + after(address, had.driver()));
            }
        });
        return sentences;
    }

    private void add(PciAddress address, String driver) {
        manager.opened(address)
                .ifPresent(device -> devices.put(
                        address, new Had(driver, device, device.handOvers().count())));
    }

    private String after(PciAddress address, String driver) {
        Optional<OpenDevice> open = manager.opened(address);
        if (open.isEmpty()) {
            return "is no longer open";
        }
        String now = settled(open.get());
        if (now.equals(driver)) {
            return "is mediated by " + driver + " again, after "
                    + Milliseconds.text(open.get().handOvers().last());
        }
        boolean back = manager.mediators().stream()
                .anyMatch(present ->
                        bundleIds.contains(present.bundleId()) && present.name().equals(driver));
        if (!back) {
            return "is with " + now + "; no driver " + driver + " came back";
        }
        try {
            manager.rebind(address, Optional.of(driver));
            return "was taken by " + now + " meanwhile and is with " + settled(open.get()) + " now";
        } catch (VfioException e) {
            return "was taken by " + now + " meanwhile and could not be given back: " + e.getMessage();
        }
    }

    /** Who mediates once nobody waits any more. */
    private static String settled(OpenDevice device) {
        for (int look = 0; look < LOOKS && device.awaiting().isPresent(); look++) {
            LockSupport.parkNanos(LOOK_AGAIN.toNanos());
        }
        return device.mediator()
                .or(() -> device.awaiting().map(driver -> "nobody, it waits for a successor of " + driver))
                .orElse("nobody, it is passed through");
    }
}
