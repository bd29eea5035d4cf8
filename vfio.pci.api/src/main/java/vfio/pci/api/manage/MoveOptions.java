package vfio.pci.api.manage;

import java.time.Duration;
import java.util.Optional;
import vfio.pci.api.pci.PciAddress;

/**
 * How a device is to be moved.
 *
 * @param as its address at the target; empty for the one it has here
 * @param maximumDowntime the device is stopped when what is left can be moved in this time
 * @param maximumRounds it is stopped after so many rounds at the latest, at least 1
 * @param bytesPerSecond memory is copied no faster; 0 for no limit
 * @param waitForSwitchOver it is not stopped before {@link DeviceMover#switchOver}, and rounds are not limited
 */
public record MoveOptions(
        Optional<PciAddress> as,
        Duration maximumDowntime,
        int maximumRounds,
        long bytesPerSecond,
        boolean waitForSwitchOver) {
    /** To the same address, 50 ms, 30 rounds, as fast as possible, without waiting. */
    public static final MoveOptions DEFAULT = new MoveOptions(Optional.empty(), Duration.ofMillis(50), 30, 0, false);
}
