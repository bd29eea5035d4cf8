package vfio.itest;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/**
 * A client that writes 1, 2, 3 and so on to a {@link SequenceFunction} and reads each back, as fast as it can, over one
 * connection; and that notes its longest wait for an answer.
 */
final class SequenceClient implements AutoCloseable {
    private final VfioUserClient client;
    private final AtomicLong longest = new AtomicLong();
    private final AtomicLong exchanged = new AtomicLong();
    private final CompletableFuture<Void> end;
    private volatile boolean enough;

    SequenceClient(Path socket) {
        client = VfioUserClient.connect(socket);
        end = CompletableFuture.runAsync(this::run);
    }

    /** The longest wait since this was asked last, in nanoseconds. */
    long takeLongest() {
        return longest.getAndSet(0);
    }

    /** How many numbers were written and read back. */
    long exchanged() {
        return exchanged.get();
    }

    boolean isRunning() {
        return !end.isDone();
    }

    /** Stops; fails with what went wrong on the way. */
    @Override
    public void close() {
        enough = true;
        try {
            end.join();
        } finally {
            client.close();
        }
    }

    private void run() {
        long before = System.nanoTime();
        for (long number = 1; !enough; number++) {
            client.writeRegister(PciRegion.BAR0, SequenceFunction.REGISTER, Integer.BYTES, number);
            before = answered(before);
            long read = client.readRegister(PciRegion.BAR0, SequenceFunction.REGISTER, Integer.BYTES);
            before = answered(before);
            if (read != number) {
                throw new AssertionError("wrote " + number + ", read back " + read);
            }
            exchanged.set(number);
        }
    }

    private long answered(long before) {
        long now = System.nanoTime();
        longest.accumulateAndGet(now - before, Math::max);
        return now;
    }
}
