package vfio.user;

import java.time.Duration;

/**
 * How long a connection waits for its client.
 *
 * @param negotiation for the VERSION message: a client that connects and says nothing does not hold the device longer
 * @param dma for the reply to a DMA_READ or DMA_WRITE
 */
record Timeouts(Duration negotiation, Duration dma) {
    static final Timeouts DEFAULT = new Timeouts(Duration.ofSeconds(5), Duration.ofSeconds(5));
}
