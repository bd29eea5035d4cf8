package vfio.user.client;

import java.time.Duration;

/**
 * What a client proposes to a server, and how it behaves. Immutable; start from {@link #DEFAULT}.
 *
 * @param minor minor version to propose, 0 to 65535; the major version is 0
 * @param maxMsgFds descriptors the client takes in one message, 1 to 253
 * @param maxDataXferSize most bytes of data in one transfer, 1 to 2^26
 * @param maxDmaMaps most DMA mappings at a time, at least 1
 * @param writeMultiple whether to propose REGION_WRITE_MULTI
 * @param twinSocket whether to propose a socket of its own for the server's requests
 * @param dynamicTrap whether to propose that the server may withdraw mappings; {@link MappedRegions} follows that
 * @param timeout how long to wait for a reply, positive
 * @param dmaHandler answers the server's requests for memory that was mapped without a descriptor and without an array
 */
public record ClientOptions(
        int minor,
        int maxMsgFds,
        int maxDataXferSize,
        int maxDmaMaps,
        boolean writeMultiple,
        boolean twinSocket,
        boolean dynamicTrap,
        Duration timeout,
        DmaHandler dmaHandler) {
    /**
     * Version 0.1, the limits of QEMU, REGION_WRITE_MULTI, no twin socket, no dynamic trap, 5 seconds, no memory behind the
     * handler.
     */
    public static final ClientOptions DEFAULT =
            new ClientOptions(1, 16, 1 << 20, 65_535, true, false, false, Duration.ofSeconds(5), DmaHandler.NONE);

    private static final int DESCRIPTOR_MAXIMUM = 253;
    private static final int TRANSFER_MAXIMUM = 1 << 26;

    /** Checks the ranges. */
    public ClientOptions {
        if ((minor & ~0xffff) != 0
                || maxMsgFds < 1
                || maxMsgFds > DESCRIPTOR_MAXIMUM
                || maxDataXferSize < 1
                || maxDataXferSize > TRANSFER_MAXIMUM
                || maxDmaMaps < 1
                || timeout.isNegative()
                || timeout.isZero()) {
            throw new IllegalArgumentException("options out of range");
        }
    }

    /** With another minor version. */
    public ClientOptions withMinor(int proposed) {
        return new ClientOptions(
                proposed,
                maxMsgFds,
                maxDataXferSize,
                maxDmaMaps,
                writeMultiple,
                twinSocket,
                dynamicTrap,
                timeout,
                dmaHandler);
    }

    /** With another limit for transfers. */
    public ClientOptions withMaxDataXferSize(int bytes) {
        return new ClientOptions(
                minor, maxMsgFds, bytes, maxDmaMaps, writeMultiple, twinSocket, dynamicTrap, timeout, dmaHandler);
    }

    /** With or without REGION_WRITE_MULTI. */
    public ClientOptions withWriteMultiple(boolean proposed) {
        return new ClientOptions(
                minor, maxMsgFds, maxDataXferSize, maxDmaMaps, proposed, twinSocket, dynamicTrap, timeout, dmaHandler);
    }

    /** With or without a twin socket. */
    public ClientOptions withTwinSocket(boolean proposed) {
        return new ClientOptions(
                minor,
                maxMsgFds,
                maxDataXferSize,
                maxDmaMaps,
                writeMultiple,
                proposed,
                dynamicTrap,
                timeout,
                dmaHandler);
    }

    /** With or without dynamic trap. */
    public ClientOptions withDynamicTrap(boolean proposed) {
        return new ClientOptions(
                minor,
                maxMsgFds,
                maxDataXferSize,
                maxDmaMaps,
                writeMultiple,
                twinSocket,
                proposed,
                timeout,
                dmaHandler);
    }

    /** With another patience. */
    public ClientOptions withTimeout(Duration patience) {
        return new ClientOptions(
                minor,
                maxMsgFds,
                maxDataXferSize,
                maxDmaMaps,
                writeMultiple,
                twinSocket,
                dynamicTrap,
                patience,
                dmaHandler);
    }

    /** With memory for the server's requests. */
    public ClientOptions withDmaHandler(DmaHandler handler) {
        return new ClientOptions(
                minor,
                maxMsgFds,
                maxDataXferSize,
                maxDmaMaps,
                writeMultiple,
                twinSocket,
                dynamicTrap,
                timeout,
                handler);
    }
}
