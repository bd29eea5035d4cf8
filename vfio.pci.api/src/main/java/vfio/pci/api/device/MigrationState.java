package vfio.pci.api.device;

import java.util.Optional;

/**
 * The state of a device with regard to migration, named and numbered as {@code enum vfio_device_mig_state} in Linux
 * {@code include/uapi/linux/vfio.h}; vfio-user uses the same numbers.
 */
public enum MigrationState {
    /** Nobody knows what state the device is in; a reset makes it {@link #RUNNING} again. Cannot be asked for. */
    ERROR(0, Support.ALWAYS),
    /** Does nothing and changes nothing; registers and memory of the client are as they were. */
    STOP(1, Support.ALWAYS),
    /** Normal operation, and the state after open and after reset. */
    RUNNING(2, Support.ALWAYS),
    /** Stopped, and its state is being read. */
    STOP_COPY(3, Support.ALWAYS),
    /** Stopped, and a state is being written. */
    RESUMING(4, Support.ALWAYS),
    /** Runs, but begins no access to other devices. */
    RUNNING_P2P(5, Support.PEER_TO_PEER),
    /** Runs, and what can be read of its state already is being read. */
    PRE_COPY(6, Support.PRE_COPY),
    /** Both at once. */
    PRE_COPY_P2P(7, Support.PRE_COPY_AND_PEER_TO_PEER);

    private final int number;
    private final Support support;

    /** What a device must be able to do to have a state. */
    private enum Support {
        ALWAYS(false, false),
        PEER_TO_PEER(true, false),
        PRE_COPY(false, true),
        PRE_COPY_AND_PEER_TO_PEER(true, true);

        private final boolean peerToPeer;
        private final boolean preCopy;

        Support(boolean peerToPeer, boolean preCopy) {
            this.peerToPeer = peerToPeer;
            this.preCopy = preCopy;
        }
    }

    MigrationState(int number, Support support) {
        this.number = number;
        this.support = support;
    }

    /** Its number on the wire. */
    public int number() {
        return number;
    }

    /** The state with a number; empty if there is none. */
    public static Optional<MigrationState> of(int number) {
        for (MigrationState state : values()) {
            if (state.number == number) {
                return Optional.of(state);
            }
        }
        return Optional.empty();
    }

    /** Whether state is being read: one session spans these states. */
    public boolean isSaving() {
        return this == STOP_COPY || this == PRE_COPY || this == PRE_COPY_P2P;
    }

    /** Whether a device has this state that supports pre-copy, or states without access to other devices, or neither. */
    public boolean isSupported(boolean preCopy, boolean peerToPeer) {
        return (preCopy || !support.preCopy) && (peerToPeer || !support.peerToPeer);
    }
}
