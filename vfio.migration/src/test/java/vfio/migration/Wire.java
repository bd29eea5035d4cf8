package vfio.migration;

import java.util.function.Consumer;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.VfioException;

/** What lies between two runtimes: passes messages on, tells of each, and can be cut between any two of them. */
final class Wire implements AutoCloseable {
    private static final int HEADER = 8;

    final UnixSocket source;
    final UnixSocket target;
    private final UnixSocket left;
    private final UnixSocket right;
    private final Thread there;
    private final Thread back;
    private final Consumer<MessageType> before;

    /** Thrown by a listener to cut the wire before a message, or in the middle of it. */
    static final class Cut extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final boolean within;

        Cut(boolean within) {
            this.within = within;
        }
    }

    /** @param before is told of each message, by two threads, before it is passed on */
    Wire(Consumer<MessageType> before) {
        this.before = before;
        var one = UnixSocket.pair();
        var other = UnixSocket.pair();
        source = one.first();
        left = one.second();
        right = other.first();
        target = other.second();
        there = new Thread(() -> pass(left, right), "wire there");
        back = new Thread(() -> pass(right, left), "wire back");
        there.start();
        back.start();
    }

    private void pass(UnixSocket from, UnixSocket to) {
        try (NativeBuffer message = NativeBuffer.allocate(HEADER + Long.BYTES + Link.MEMORY_MAXIMUM)) {
            while (from.receiveFully(message, 0, HEADER)) {
                int length = message.bytes().getInt(Integer.BYTES);
                if (length > 0) {
                    from.receiveFully(message, HEADER, length);
                }
                try {
                    before.accept(MessageType.of(message.bytes().getInt(0)).orElseThrow());
                } catch (Cut cut) {
                    to.send(message, 0, cut.within ? (HEADER + length) / 2 : 0);
                    throw cut;
                }
                to.send(message, 0, HEADER + length);
            }
        } catch (VfioException | Cut ended) {
            // One end has gone, or the test cuts the wire.
        } finally {
            left.shutdown();
            right.shutdown();
        }
    }

    @Override
    public void close() throws InterruptedException {
        left.shutdown();
        right.shutdown();
        there.join();
        back.join();
        left.close();
        right.close();
    }
}
