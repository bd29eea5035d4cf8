package vfio.pci.repository;

import java.time.Duration;

/**
 * What is configured about loading.
 *
 * @param load how long the opening of a device waits for drivers, and they have to be used
 * @param unloadAfter how long after the last close they stay; negative for ever
 */
record LoadLimits(Duration load, Duration unloadAfter) {}
