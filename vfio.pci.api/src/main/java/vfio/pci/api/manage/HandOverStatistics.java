package vfio.pci.api.manage;

import java.time.Duration;

/**
 * How often a device was handed from one mediation to another.
 *
 * @param count hand-overs since it was opened
 * @param last for how long accesses were held back in the last one; zero if there was none
 * @param longest for how long in the longest
 */
public record HandOverStatistics(long count, Duration last, Duration longest) {}
