package vfio.pci.api.mediate;

import java.util.Objects;

/** The answer of a {@link MediateOps} to a device. */
public sealed interface Decision {
    /**
     * The device is accepted.
     *
     * @param mediation a new object for this device alone
     */
    record Accepted(Mediation mediation) implements Decision {
        /** Refuses null. */
        public Accepted {
            Objects.requireNonNull(mediation, "an accepted device needs a mediation");
        }
    }

    /**
     * The device is left to others. A normal answer, not an error.
     *
     * @param reason for the administrator who asks why, for example {@code not a VF of 0000:03:00.0}
     */
    record Declined(String reason) implements Decision {
        /** Refuses null. */
        public Declined {
            Objects.requireNonNull(reason, "a decline needs a reason");
        }
    }

    /** Accepts the device with a mediation made for it. */
    static Decision accept(Mediation mediation) {
        return new Accepted(mediation);
    }

    /** Leaves the device to others, with the reason. */
    static Decision decline(String reason) {
        return new Declined(reason);
    }
}
