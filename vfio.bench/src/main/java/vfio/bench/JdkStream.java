package vfio.bench;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/**
 * Bare bytes from one JVM to another over the JDK's own channels: out of memory here, into as much memory there, and one byte
 * back when all have come.
 */
final class JdkStream implements AutoCloseable {
    private static final String READY = "listening";

    private final Child peer;
    private final SocketChannel channel;
    private final ByteBuffer memory;
    private final int chunk;
    private final ByteBuffer answer = ByteBuffer.allocateDirect(1);

    private JdkStream(Child peer, SocketChannel channel, int size, int chunk) {
        this.peer = peer;
        this.channel = channel;
        memory = filled(size);
        this.chunk = chunk;
    }

    /**
     * Starts the other end.
     *
     * @param size bytes that {@link #copy} sends
     * @param chunk most bytes of one system call
     */
    static JdkStream start(Settings settings, Path path, int size, int chunk) throws IOException {
        Child peer = Child.java(
                settings, JdkStream.class, READY, path.toString(), Integer.toString(size), Integer.toString(chunk));
        return new JdkStream(peer, SocketChannel.open(UnixDomainSocketAddress.of(path)), size, chunk);
    }

    /** The peer: serves one connection. */
    public static void main(String[] arguments) throws IOException {
        ByteBuffer memory = filled(Integer.parseInt(arguments[1]));
        int chunk = Integer.parseInt(arguments[2]);
        ByteBuffer answer = ByteBuffer.allocateDirect(1);
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(arguments[0]));
            System.out.println(READY);
            try (SocketChannel channel = listener.accept()) {
                while (receive(channel, memory, chunk)) {
                    channel.write(answer.clear());
                }
            }
        }
    }

    /** Sends all and waits for the answer; returns nanoseconds. */
    long copy() throws IOException {
        long start = System.nanoTime();
        memory.clear();
        while (memory.position() < memory.capacity()) {
            channel.write(memory.limit(Math.min(memory.capacity(), memory.position() + chunk)));
        }
        if (channel.read(answer.clear()) != 1) {
            throw new EOFException("the peer has gone");
        }
        return System.nanoTime() - start;
    }

    @Override
    public void close() throws IOException {
        channel.close();
        peer.close();
    }

    private static boolean receive(SocketChannel channel, ByteBuffer memory, int chunk) throws IOException {
        memory.clear();
        while (memory.position() < memory.capacity()) {
            if (channel.read(memory.limit(Math.min(memory.capacity(), memory.position() + chunk))) < 0) {
                return false;
            }
        }
        return true;
    }

    /** Memory that is there. */
    private static ByteBuffer filled(int size) {
        ByteBuffer memory = ByteBuffer.allocateDirect(size);
        while (memory.hasRemaining()) {
            memory.putLong(memory.position());
        }
        return memory;
    }
}
