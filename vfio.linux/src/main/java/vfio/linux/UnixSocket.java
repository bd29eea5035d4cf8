package vfio.linux;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * A connected UNIX stream socket that can carry file descriptors.
 *
 * <p>One thread at a time may receive and one may send; callers with more senders serialise them. {@link #shutdown()} and
 * {@link #close()} may come from any thread and wake those that block: a blocked receive then returns 0, a blocked send
 * fails with EPIPE. Data without descriptors costs no allocation in either direction. No call raises SIGPIPE.
 */
public final class UnixSocket implements AutoCloseable {
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(1);

    private final Descriptor descriptor;
    private final MessageHeader input;
    private final MessageHeader output;

    private UnixSocket(Descriptor descriptor, NativeBuffer block) {
        this.descriptor = descriptor;
        this.input = new MessageHeader(block, 0);
        this.output = new MessageHeader(block, MessageHeader.SIZE);
    }

    /** Wraps a number that the kernel just gave us; closes it if that fails. */
    static UnixSocket owning(int number) {
        NativeBuffer block;
        try {
            block = NativeBuffer.allocate(2 * MessageHeader.SIZE);
        } catch (VfioException failure) {
            Libc.close(number);
            throw failure;
        }
        return new UnixSocket(new Descriptor(number, block), block);
    }

    /**
     * Connects to a listening socket.
     *
     * @param path of the socket, at most 107 bytes
     * @return the connection, owned by the caller
     * @throws VfioException ENOENT, ECONNREFUSED, EACCES, ENAMETOOLONG, EMFILE
     */
    public static UnixSocket connect(Path path) {
        byte[] address = UnixAddress.of(path);
        UnixSocket socket = owning(create(0));
        int fd = socket.descriptor.acquire();
        try {
            int result;
            do {
                result = Libc.connect(fd, address, address.length);
            } while (result < 0 && Libc.errno() == Linux.EINTR);
            if (result < 0) {
                VfioException failure = Failures.last("connecting to " + path);
                socket.close();
                throw failure;
            }
        } finally {
            socket.descriptor.release();
        }
        return socket;
    }

    /**
     * The socket behind a descriptor that was received from a peer.
     *
     * @param descriptor owned by the socket from now on
     */
    public static UnixSocket of(Descriptor descriptor) {
        try (descriptor) {
            return owning(descriptor.duplicateNumber());
        }
    }

    /** Two sockets connected to each other, both owned by the caller. */
    public static Pair pair() {
        int[] fds = new int[2];
        if (Libc.socketpair(Linux.AF_UNIX, Linux.SOCK_STREAM | Linux.SOCK_CLOEXEC, 0, fds) < 0) {
            throw Failures.last("creating a pair of sockets");
        }
        UnixSocket first;
        try {
            first = owning(fds[0]);
        } catch (VfioException failure) {
            Libc.close(fds[1]);
            throw failure;
        }
        try {
            return new Pair(first, owning(fds[1]));
        } catch (VfioException failure) {
            first.close();
            throw failure;
        }
    }

    /** A new socket of the kernel. */
    static int create(int flags) {
        int fd = Libc.socket(Linux.AF_UNIX, Linux.SOCK_STREAM | Linux.SOCK_CLOEXEC | flags, 0);
        if (fd < 0) {
            throw Failures.last("creating a socket");
        }
        return fd;
    }

    /**
     * Waits for data and takes what is there. Descriptors that come with it are closed.
     *
     * @param buffer takes the data
     * @param index of the first byte in the buffer
     * @param length bytes to take at most, at least 1
     * @return number of bytes, or 0 at the end of the stream
     * @throws VfioException ETIMEDOUT, see {@link #receiveTimeout}; ECONNRESET; EBADF after close
     */
    public int receive(NativeBuffer buffer, int index, int length) {
        int fd = descriptor.acquire();
        try {
            input.noControl();
            return receive(fd, buffer, index, length);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Like {@link #receive(NativeBuffer, int, int)}, keeping the descriptors that come with the data. One call takes at most
     * the descriptors of one message of the peer.
     *
     * @param sink gets the descriptors, in addition to those it has
     */
    public int receive(NativeBuffer buffer, int index, int length, ReceivedDescriptors sink) {
        int fd = descriptor.acquire();
        try {
            input.roomForDescriptors(sink.room());
            int count = receive(fd, buffer, index, length);
            input.collect(sink);
            return count;
        } finally {
            descriptor.release();
        }
    }

    /**
     * Waits until that many bytes are there. Descriptors that come with them are closed.
     *
     * @return false if the stream ended before the first byte
     * @throws VfioException ECONNRESET also if the stream ends in the middle; else as {@link #receive(NativeBuffer, int, int)}
     */
    public boolean receiveFully(NativeBuffer buffer, int index, int length) {
        int done = 0;
        while (done < length) {
            int count = receive(buffer, index + done, length - done);
            if (count == 0) {
                return endOfStream(done, length);
            }
            done += count;
        }
        return true;
    }

    /**
     * Like {@link #receiveFully(NativeBuffer, int, int)}, keeping the descriptors.
     *
     * @param sink gets the descriptors, in addition to those it has
     */
    public boolean receiveFully(NativeBuffer buffer, int index, int length, ReceivedDescriptors sink) {
        int done = 0;
        while (done < length) {
            int count = receive(buffer, index + done, length - done, sink);
            if (count == 0) {
                return endOfStream(done, length);
            }
            done += count;
        }
        return true;
    }

    /**
     * Sends all the data; blocks while the peer does not read.
     *
     * @param buffer has the data
     * @param index of the first byte in the buffer
     * @param length bytes to send
     * @throws VfioException EPIPE or ECONNRESET if the peer has gone; EBADF after close
     */
    public void send(NativeBuffer buffer, int index, int length) {
        int fd = descriptor.acquire();
        try {
            sendAll(fd, buffer.address(index, length), length);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Sends as much as there is room for, out of memory where it is; never blocks. One call reads the memory, so its owner need
     * not keep it longer.
     *
     * @param memory {@link MappedMemory#isAddressable}
     * @param offset of the first byte in the memory
     * @param length bytes to send at most, at least 1
     * @return number of bytes; 0 if there is no room now: {@link #awaitRoom}
     * @throws VfioException EFAULT if the memory is closed or its owner has taken the pages away; EPIPE, ECONNRESET, EBADF
     */
    public int trySend(MappedMemory memory, long offset, int length) {
        requireSome(length);
        int fd = descriptor.acquire();
        try {
            output.noControl();
            output.data(memory.readAddress(offset, length), length);
            return sendSome(fd, Linux.MSG_DONTWAIT);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Takes what is there into memory where it is; never blocks. Descriptors that come with it are closed.
     *
     * @param memory {@link MappedMemory#isAddressable}, and writable
     * @param offset of the first byte in the memory
     * @param length bytes to take at most, at least 1
     * @return number of bytes; 0 if nothing is there now: {@link #awaitData}
     * @throws VfioException ECONNRESET at the end of the stream; EFAULT if the memory is closed or its owner has taken the pages
     *     away; EACCES; EBADF
     */
    public int tryReceive(MappedMemory memory, long offset, int length) {
        requireSome(length);
        int fd = descriptor.acquire();
        try {
            input.noControl();
            input.data(memory.writeAddress(offset, length), length);
            int count = receiveSome(fd, Linux.MSG_DONTWAIT);
            if (count == 0) {
                throw new VfioException(Errno.ECONNRESET, "the peer closed the connection");
            }
            return Math.max(0, count);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Waits until there is room for a good deal of data, or the connection has ended, so that a send tells; at most a second, since
     * the kernel does not say that the peer has only ceased to read.
     */
    public void awaitRoom() {
        await(Linux.POLLOUT);
    }

    /** Waits until there is data, or the connection has ended, so that a receive tells; at most a second. */
    public void awaitData() {
        await(Linux.POLLIN);
    }

    /**
     * Sends all the data, and descriptors together with its first byte.
     *
     * @param length bytes to send, at least 1 if there are descriptors
     * @param descriptors what the peer gets duplicates of, at most 253; they stay the caller's
     * @throws VfioException EBADF if a descriptor is closed, and then nothing was sent; else as {@link #send(NativeBuffer, int,
     *     int)}
     */
    public void send(NativeBuffer buffer, int index, int length, List<Descriptor> descriptors) {
        if (descriptors.isEmpty()) {
            send(buffer, index, length);
            return;
        }
        if (length < 1 || descriptors.size() > Linux.SCM_MAX_FD) {
            throw new IllegalArgumentException(descriptors.size() + " descriptors with " + length
                    + " bytes; at most 253 go with at least one byte");
        }
        int fd = descriptor.acquire();
        try {
            long address = buffer.address(index, length);
            int sent = sendFirst(fd, address, length, descriptors);
            sendAll(fd, address + sent, length - sent);
        } finally {
            descriptor.release();
        }
    }

    /** Who is at the other end. */
    public PeerCredentials peerCredentials() {
        int fd = descriptor.acquire();
        try {
            int[] credentials = new int[3];
            if (Libc.getsockopt(fd, Linux.SOL_SOCKET, Linux.SO_PEERCRED, credentials, new int[] {
                        credentials.length * Integer.BYTES
                    })
                    < 0) {
                throw Failures.last("asking for the credentials of a peer");
            }
            return new PeerCredentials(credentials[0], credentials[1], credentials[2]);
        } finally {
            descriptor.release();
        }
    }

    /**
     * Bounds how long a receive waits for data; beyond it fails with ETIMEDOUT.
     *
     * @param timeout rounded up to microseconds; zero waits without end, as a new socket does
     */
    public void receiveTimeout(Duration timeout) {
        if (timeout.isNegative()) {
            throw new IllegalArgumentException("a timeout of " + timeout);
        }
        Duration rounded = timeout.plusNanos(999);
        long[] timeval = {rounded.getSeconds(), rounded.getNano() / 1000};
        int fd = descriptor.acquire();
        try {
            if (Libc.setsockopt(fd, Linux.SOL_SOCKET, Linux.SO_RCVTIMEO, timeval, timeval.length * Long.BYTES) < 0) {
                throw Failures.last("setting the receive timeout of a socket");
            }
        } finally {
            descriptor.release();
        }
    }

    /** Ends both directions, waking those that block. Does nothing on a connection that has ended or was closed. */
    public void shutdown() {
        if (descriptor.tryAcquire()) {
            Libc.shutdown(descriptor.number(), Linux.SHUT_RDWR);
            descriptor.release();
        }
    }

    /** Whether the peer has closed its end, or the connection has failed; data may still be waiting. */
    public boolean hungUp() {
        if (!descriptor.tryAcquire()) {
            return true;
        }
        try {
            return PollSet.await(new long[] {PollSet.entry(descriptor.number(), Linux.POLLRDHUP)}, Duration.ZERO);
        } finally {
            descriptor.release();
        }
    }

    /** Gives the descriptor to the caller, without ending the connection; this object is closed by it. */
    public Descriptor detach() {
        Descriptor detached = descriptor.duplicate();
        descriptor.close();
        return detached;
    }

    /** Whether {@link #close()} was called. */
    public boolean isClosed() {
        return descriptor.isClosed();
    }

    /** Shuts down and gives the socket up. Idempotent. */
    @Override
    public void close() {
        if (descriptor.tryAcquire()) {
            // Closed before it wakes others, so that they find it closed.
            descriptor.close();
            Libc.shutdown(descriptor.number(), Linux.SHUT_RDWR);
            descriptor.release();
        }
    }

    Descriptor descriptor() {
        return descriptor;
    }

    private int receive(int fd, NativeBuffer buffer, int index, int length) {
        requireSome(length);
        input.data(buffer.address(index, length), length);
        int count = receiveSome(fd, 0);
        if (count < 0) {
            throw new VfioException(Errno.ETIMEDOUT, "the peer sent nothing within the receive timeout");
        }
        return count;
    }

    /** What has come; -1 if that is nothing for so long. */
    private int receiveSome(int fd, int flags) {
        while (true) {
            long count = Libc.recvmsg(fd, input.address(), Linux.MSG_CMSG_CLOEXEC | flags);
            if (count >= 0) {
                return (int) count;
            }
            int errno = Libc.errno();
            if (errno == Linux.EAGAIN) {
                return -1;
            }
            if (errno != Linux.EINTR) {
                throw Failures.of(errno, "receiving from a socket");
            }
        }
    }

    private void await(short event) {
        int fd = descriptor.acquire();
        try {
            PollSet.await(new long[] {PollSet.entry(fd, event)}, LOOK_AGAIN);
        } finally {
            descriptor.release();
        }
    }

    private static void requireSome(int length) {
        if (length < 1) {
            throw new IllegalArgumentException("a transfer of " + length + " bytes");
        }
    }

    private static boolean endOfStream(int done, int length) {
        if (done == 0) {
            return false;
        }
        throw new VfioException(
                Errno.ECONNRESET, "the peer closed the connection after " + done + " of " + length + " bytes");
    }

    private int sendFirst(int fd, long address, int length, List<Descriptor> descriptors) {
        int acquired = 0;
        try {
            output.descriptors(descriptors.size());
            for (Descriptor each : descriptors) {
                output.descriptor(acquired, each.acquire());
                acquired++;
            }
            output.data(address, length);
            return sendSome(fd, 0);
        } finally {
            for (int index = 0; index < acquired; index++) {
                descriptors.get(index).release();
            }
        }
    }

    private void sendAll(int fd, long address, int length) {
        output.noControl();
        int done = 0;
        while (done < length) {
            output.data(address + done, length - done);
            done += sendSome(fd, 0);
        }
    }

    /** How much has gone; 0 if it may not wait and there is no room. */
    private int sendSome(int fd, int flags) {
        while (true) {
            long count = Libc.sendmsg(fd, output.address(), Linux.MSG_NOSIGNAL | flags);
            if (count >= 0) {
                return (int) count;
            }
            int errno = Libc.errno();
            if (errno == Linux.EAGAIN && flags != 0) {
                return 0;
            }
            if (errno != Linux.EINTR) {
                throw Failures.of(errno, "sending to a socket");
            }
        }
    }

    /**
     * Two sockets connected to each other.
     *
     * @param first one end
     * @param second the other end
     */
    public record Pair(UnixSocket first, UnixSocket second) implements AutoCloseable {
        /** Closes both. */
        @Override
        public void close() {
            first.close();
            second.close();
        }
    }
}
