package vfio.user.internal;

import org.jspecify.annotations.Nullable;

/**
 * The features of DEVICE_FEATURE in the vfio-user specification, section "Device Features", without their {@code
 * VFIO_DEVICE_FEATURE_} prefix.
 */
public enum Feature {
    MIGRATION(1, false),
    MIG_DEVICE_STATE(2, false),
    DMA_LOGGING_START(6, true),
    DMA_LOGGING_STOP(7, true),
    DMA_LOGGING_REPORT(8, true);

    private final int number;
    private final boolean logging;

    Feature(int number, boolean logging) {
        this.number = number;
        this.logging = logging;
    }

    /** The number on the wire. */
    public int number() {
        return number;
    }

    /** Whether a device that can be moved may be without it, because it does not log what it writes. */
    public boolean isLogging() {
        return logging;
    }

    /** The feature with a number, or null if there is none. */
    public static @Nullable Feature of(int number) {
        for (Feature feature : values()) {
            if (feature.number == number) {
                return feature;
            }
        }
        return null;
    }
}
