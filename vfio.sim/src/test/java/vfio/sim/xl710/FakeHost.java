package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.PacketPort;
import vfio.pci.api.device.VfioException;

/** The host's end of a link, in memory. */
final class FakeHost implements PacketPort {
    final BlockingQueue<byte[]> received = new LinkedBlockingQueue<>();
    volatile boolean full;
    volatile boolean gone;
    volatile boolean closed;
    private final BlockingQueue<byte[]> toSend = new LinkedBlockingQueue<>();
    private final Semaphore awake = new Semaphore(0);

    /** Sends a frame to the card. */
    void send(byte... frame) {
        toSend.add(frame);
        awake.release();
    }

    boolean hasSentAll() {
        return toSend.isEmpty();
    }

    /** Takes the link away. */
    void vanish() {
        gone = true;
        awake.release();
    }

    @Override
    public String name() {
        return "fake0";
    }

    @Override
    public boolean send(ByteBuffer bytes, int offset, int length) {
        check();
        if (full) {
            return false;
        }
        byte[] frame = new byte[length];
        bytes.get(offset, frame);
        return received.add(frame);
    }

    @Override
    public int receive(ByteBuffer bytes, int offset, int capacity) {
        check();
        byte[] frame = toSend.poll();
        if (frame == null) {
            return 0;
        }
        bytes.put(offset, frame);
        return frame.length;
    }

    @Override
    public boolean await(Duration timeout) {
        try {
            if (awake.tryAcquire(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
                if (closed) {
                    throw new VfioException(Errno.EBADF, "closed");
                }
                return true;
            }
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void wakeup() {
        awake.release();
    }

    @Override
    public void close() {
        closed = true;
        awake.release();
    }

    private void check() {
        if (closed) {
            throw new VfioException(Errno.EBADF, "closed");
        }
        if (gone) {
            throw new VfioException(Errno.ENODEV, "the host has taken it away");
        }
    }
}
