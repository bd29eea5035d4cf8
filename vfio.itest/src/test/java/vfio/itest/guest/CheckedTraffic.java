package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import org.awaitility.Awaitility;
import vfio.iavf.TransmitOffload;

/**
 * Numbered frames in both directions between a station that moves and one that does not. None may be lost, come twice, or be
 * changed; the sender waits before the receiver's ring could run over. For one thread.
 */
final class CheckedTraffic {
    private static final Duration SOON = Duration.ofSeconds(20);

    /** Frames under way in one direction, less than half of the smallest ring; a frame may take two descriptors. */
    private static final int WINDOW = 50;

    private final Station moving;
    private Station peer;
    private int sent;
    private int received;
    private int peerSent;
    private int peerReceived;

    CheckedTraffic(Station moving, Station peer) {
        this.moving = moving;
        this.peer = peer;
    }

    /** The peer goes on elsewhere, with the same address. */
    void peer(Station next) {
        assertThat(next.mac()).isEqualTo(peer.mac());
        peer = next;
    }

    void send(int count) {
        for (int number = 0; number < count && sent - peerReceived < WINDOW; number++) {
            moving.send(frame(peer, moving, sent++));
        }
    }

    /** Writes frames to memory that the device is not shown before the next is sent. */
    void post(int count) {
        for (int number = 0; number < count && sent - peerReceived < WINDOW; number++) {
            moving.post(frame(peer, moving, sent++), TransmitOffload.NONE);
        }
    }

    void sendBack(int count) {
        for (int number = 0; number < count && peerSent - received < WINDOW; number++) {
            peer.send(frame(moving, peer, peerSent++));
        }
    }

    /** Takes what has come to the moving station. */
    void take() {
        for (byte[] frame : moving.poll()) {
            check("to the moving function", received++, moving, peer, frame);
        }
    }

    /** Takes what has come to the peer. */
    void takeAtPeer() {
        for (byte[] frame : peer.poll()) {
            check("of the moving function", peerReceived++, peer, moving, frame);
        }
    }

    /** What the peer has sent has reached the moving function, whether its driver has looked or not. */
    void settlePeer() {
        peer.awaitSent();
    }

    /** All frames arrive; those for the moving function with interrupts. */
    void finish() {
        if (peerSent > received) {
            moving.receive(
                    0,
                    peerSent - received,
                    frame -> check("to the moving function", received++, moving, peer, frame.toArray()));
        }
        Awaitility.await("frames of the moving function")
                .pollInterval(Duration.ofMillis(1))
                .atMost(SOON)
                .until(() -> {
                    takeAtPeer();
                    return peerReceived == sent;
                });
    }

    /** Frames that the moving station has sent. */
    int sent() {
        return sent;
    }

    private static void check(String what, int number, Station to, Station from, byte[] frame) {
        assertThat(Arrays.equals(frame, frame(to, from, number)))
                .as("frame %d %s; came: number %d, %d bytes", number, what, number(frame), frame.length)
                .isTrue();
    }

    private static int number(byte[] frame) {
        return frame.length < Packet.MAC_LENGTH + Integer.BYTES
                ? -1
                : ByteBuffer.wrap(frame).getInt(Packet.MAC_LENGTH);
    }

    private static byte[] frame(Station to, Station from, int number) {
        return Packet.padded(Packet.plain(to.mac(), from.mac(), 60 + number * 97 % 1455, number));
    }
}
