package vfio.iavf;

import java.nio.ByteBuffer;

/**
 * What the PF says about the link.
 *
 * @param up whether there is one
 * @param megabitsPerSecond its speed, 0 if there is none
 */
public record LinkState(boolean up, int megabitsPerSecond) {
    /** Before the PF has said anything. */
    static final LinkState UNKNOWN = new LinkState(false, 0);

    private static final int[] SPEED_BITS = {2_500, 100, 1_000, 10_000, 40_000, 20_000, 25_000, 5_000};

    /** Reads a link event. */
    static LinkState of(ByteBuffer event, boolean plainSpeed) {
        int speed = event.getInt(4);
        int status = event.get(8);
        if (status != 0 && status != 1) {
            throw new DeviceViolation("a link event says that the link status is " + status);
        }
        if (status == 0) {
            return new LinkState(false, 0);
        }
        if (!plainSpeed) {
            if (Integer.bitCount(speed) != 1 || speed < 0 || speed >= 1 << SPEED_BITS.length) {
                throw new DeviceViolation("a link event gives the speed as 0x" + Integer.toHexString(speed));
            }
            speed = SPEED_BITS[Integer.numberOfTrailingZeros(speed)];
        }
        if (speed <= 0) {
            throw new DeviceViolation("a link is up with " + speed + " Mb/s");
        }
        return new LinkState(true, speed);
    }
}
