package vfio.bench;

import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Path;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixListener;
import vfio.linux.UnixSocket;

/** Bare messages between two JVMs over the sockets of {@code vfio.linux}. */
final class LinuxPingPong implements Contender {
    private static final String READY = "listening";

    private final Child peer;
    private final UnixSocket socket;
    private final NativeBuffer buffer = NativeBuffer.allocate(Messages.REPLY_SIZE);

    private LinuxPingPong(Child peer, UnixSocket socket) {
        this.peer = peer;
        this.socket = socket;
    }

    static LinuxPingPong start(Settings settings, Path path) throws IOException {
        Child peer = Child.java(settings, LinuxPingPong.class, READY, path.toString());
        return new LinuxPingPong(peer, UnixSocket.connect(path));
    }

    /** The peer: serves one connection. */
    public static void main(String[] arguments) {
        try (UnixListener listener = UnixListener.bind(Path.of(arguments[0]), 0600)) {
            System.out.println(READY);
            try (UnixSocket socket = listener.accept();
                    NativeBuffer buffer = NativeBuffer.allocate(Messages.REPLY_SIZE)) {
                while (socket.receiveFully(buffer, 0, Messages.REQUEST_SIZE)) {
                    socket.send(buffer, 0, Messages.REPLY_SIZE);
                }
            }
        }
    }

    @Override
    public String name() {
        return "bare, vfio.linux UnixSocket at both ends";
    }

    @Override
    public long[] run(int count) throws IOException {
        return Contender.time(count, () -> {
            socket.send(buffer, 0, Messages.REQUEST_SIZE);
            if (!socket.receiveFully(buffer, 0, Messages.REPLY_SIZE)) {
                throw new EOFException("the peer has gone");
            }
        });
    }

    @Override
    public void close() {
        socket.close();
        buffer.close();
        peer.close();
    }
}
