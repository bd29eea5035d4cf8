package vfio.pci.api.mediate;

import java.util.Objects;

/**
 * What a mediation leaves to its successor.
 *
 * <p>Lives for the time of one hand-over and in one process only, so it needs no checksum; it does need a schema, because
 * the successor is another version of the driver, or another driver.
 *
 * @param schema name of the format, for example {@code i40e}; belongs to whoever defines it
 * @param version of the format, counted from 1
 * @param data the state; the array is handed on, not copied
 */
@SuppressWarnings("ArrayRecordComponent")
public record HandOverState(String schema, int version, byte[] data) {
    /** Refuses what cannot be named. */
    public HandOverState {
        Objects.requireNonNull(schema, "a hand-over state needs the name of its schema");
        Objects.requireNonNull(data, "a hand-over state needs data, an empty array at least");
        if (version < 1) {
            throw new IllegalArgumentException("version " + version + " of a schema; versions count from 1");
        }
    }

    /** Whether the state is in this format, in this version or an older one. */
    public boolean isReadableAs(String knownSchema, int newestKnownVersion) {
        return schema.equals(knownSchema) && version <= newestKnownVersion;
    }

    @Override
    public String toString() {
        return schema + " version " + version + ", " + data.length + " bytes";
    }
}
