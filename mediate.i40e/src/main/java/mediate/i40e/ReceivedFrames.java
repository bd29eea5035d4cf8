package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

/** What a function has received so far, as part {@code statistics} of the hardware's state has it; see {@code docs/stream.md}. */
record ReceivedFrames(long frames, long bytes) {
    /** Name of the part. */
    static final String PART = "statistics";

    static final ReceivedFrames NONE = new ReceivedFrames(0, 0);

    private static final int SIZE = 96;
    private static final int RX_BYTES = 0;
    private static final int RX_UNICAST = 8;
    private static final int RX_MULTICAST = 16;
    private static final int RX_BROADCAST = 24;

    /**
     * Reads the counters as they are now.
     *
     * @throws VfioException EINVAL if they are none
     */
    static ReceivedFrames read(HardwareState hardware) {
        ByteBuffer part = ByteBuffer.wrap(hardware.read(PART)).order(ByteOrder.LITTLE_ENDIAN);
        if (part.remaining() != SIZE) {
            throw new VfioException(Errno.EINVAL, "part " + PART + " of the hardware's state is not as it should be");
        }
        return new ReceivedFrames(
                part.getLong(RX_UNICAST) + part.getLong(RX_MULTICAST) + part.getLong(RX_BROADCAST),
                part.getLong(RX_BYTES));
    }

    /** So many buffers have been written since then at most; less than 0 if nobody knows. */
    long buffersSince(ReceivedFrames before, int bufferSize) {
        long newFrames = frames - before.frames;
        long newBytes = bytes - before.bytes;
        return newFrames < 0 || newBytes < 0 ? -1 : newFrames + newBytes / bufferSize;
    }
}
