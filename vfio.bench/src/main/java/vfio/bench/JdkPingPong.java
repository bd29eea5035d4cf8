package vfio.bench;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** Bare messages between two JVMs over the JDK's own channels. */
final class JdkPingPong implements Contender {
    private static final String READY = "listening";

    private final Child peer;
    private final SocketChannel channel;
    private final ByteBuffer request = ByteBuffer.allocateDirect(Messages.REQUEST_SIZE);
    private final ByteBuffer reply = ByteBuffer.allocateDirect(Messages.REPLY_SIZE);

    private JdkPingPong(Child peer, SocketChannel channel) {
        this.peer = peer;
        this.channel = channel;
    }

    static JdkPingPong start(Settings settings, Path path) throws IOException {
        Child peer = Child.java(settings, JdkPingPong.class, READY, path.toString());
        return new JdkPingPong(peer, SocketChannel.open(UnixDomainSocketAddress.of(path)));
    }

    /** The peer: serves one connection. */
    public static void main(String[] arguments) throws IOException {
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(arguments[0]));
            System.out.println(READY);
            try (SocketChannel channel = listener.accept()) {
                ByteBuffer request = ByteBuffer.allocateDirect(Messages.REQUEST_SIZE);
                ByteBuffer reply = ByteBuffer.allocateDirect(Messages.REPLY_SIZE);
                while (receive(channel, request)) {
                    send(channel, reply);
                }
            }
        }
    }

    @Override
    public String name() {
        return "bare, JDK SocketChannel at both ends";
    }

    @Override
    public long[] run(int count) throws IOException {
        return Contender.time(count, () -> {
            send(channel, request);
            if (!receive(channel, reply)) {
                throw new EOFException("the peer has gone");
            }
        });
    }

    @Override
    public void close() throws IOException {
        channel.close();
        peer.close();
    }

    private static void send(SocketChannel channel, ByteBuffer message) throws IOException {
        message.clear();
        while (message.hasRemaining()) {
            channel.write(message);
        }
    }

    private static boolean receive(SocketChannel channel, ByteBuffer message) throws IOException {
        message.clear();
        while (message.hasRemaining()) {
            if (channel.read(message) < 0) {
                return false;
            }
        }
        return true;
    }
}
