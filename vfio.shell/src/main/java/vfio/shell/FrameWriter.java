package vfio.shell;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;

/**
 * Writes the answer to an administration command: frames of one byte type, four bytes length (big-endian) and the payload.
 * The last frame is the exit status. Safe for several threads; frames do not mix.
 */
final class FrameWriter {
    static final byte OUTPUT = 'o';
    static final byte ERROR = 'e';
    static final byte EXIT = 'x';

    private static final int HEADER = Byte.BYTES + Integer.BYTES;

    private final WritableByteChannel channel;
    private boolean ended;

    FrameWriter(WritableByteChannel channel) {
        this.channel = channel;
    }

    /** A stream whose every write becomes a frame. */
    OutputStream stream(byte type) {
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                frame(type, bytes, offset, length);
            }
        };
    }

    /** Writes text. */
    void print(byte type, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        frame(type, bytes, 0, bytes.length);
    }

    /** Ends the answer. What is written later is dropped. */
    synchronized void exit(boolean success) throws IOException {
        frame(EXIT, new byte[] {(byte) (success ? 0 : 1)}, 0, 1);
        ended = true;
    }

    private synchronized void frame(byte type, byte[] payload, int offset, int length) throws IOException {
        if (ended || length == 0) {
            return;
        }
        ByteBuffer frame = ByteBuffer.allocate(HEADER + length)
                .put(type)
                .putInt(length)
                .put(payload, offset, length)
                .flip();
        while (frame.hasRemaining()) {
            channel.write(frame);
        }
    }
}
