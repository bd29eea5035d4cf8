package vfio.pci.core;

import java.time.Duration;

/**
 * What an administrator may choose for an open device.
 *
 * @param trap how disablable areas are offered
 * @param trapTimeout how long a client may take to confirm that it has unmapped what is to be trapped
 * @param successorWait how long accesses wait for a successor when a driver has left
 * @param passThroughAfterwards what becomes of the device then: passed through, or failed
 */
record DeviceSettings(TrapPolicy trap, Duration trapTimeout, Duration successorWait, boolean passThroughAfterwards) {
    /** Accesses may not wait longer: QEMU gives an answer up after 5 s. */
    static final Duration SUCCESSOR_WAIT_MAXIMUM = Duration.ofSeconds(4);

    static final DeviceSettings DEFAULT =
            new DeviceSettings(TrapPolicy.DYNAMIC, Duration.ofSeconds(1), SUCCESSOR_WAIT_MAXIMUM, true);
}
