package vfio.iavf;

import java.nio.ByteBuffer;

/** Counters of the function ({@code struct virtchnl_eth_stats}), in the order of the structure. */
public record Statistics(
        long receivedBytes,
        long receivedUnicast,
        long receivedMulticast,
        long receivedBroadcast,
        long receiveDiscards,
        long receivedUnknownProtocol,
        long sentBytes,
        long sentUnicast,
        long sentMulticast,
        long sentBroadcast,
        long sendDiscards,
        long sendErrors) {
    static final int SIZE = 96;

    static Statistics of(ByteBuffer reply) {
        return new Statistics(
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong(),
                reply.getLong());
    }

    /** What was counted since an earlier look. */
    public Statistics since(Statistics earlier) {
        return new Statistics(
                receivedBytes - earlier.receivedBytes,
                receivedUnicast - earlier.receivedUnicast,
                receivedMulticast - earlier.receivedMulticast,
                receivedBroadcast - earlier.receivedBroadcast,
                receiveDiscards - earlier.receiveDiscards,
                receivedUnknownProtocol - earlier.receivedUnknownProtocol,
                sentBytes - earlier.sentBytes,
                sentUnicast - earlier.sentUnicast,
                sentMulticast - earlier.sentMulticast,
                sentBroadcast - earlier.sentBroadcast,
                sendDiscards - earlier.sendDiscards,
                sendErrors - earlier.sendErrors);
    }
}
