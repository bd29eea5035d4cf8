package vfio.user;

import java.nio.ByteBuffer;
import java.util.List;
import vfio.linux.Descriptor;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.OpenDevice;
import vfio.user.internal.Capabilities;
import vfio.user.internal.Header;
import vfio.user.internal.MessageChannel;

/**
 * What the handler of a command works with: the request's data, the place of the reply's data, and the open device.
 *
 * <p>Offsets given here count from the end of the header. Used by the connection's thread alone.
 */
final class Session {
    private final MessageChannel channel;
    private final OpenDevice device;
    private final Capabilities agreed;
    private final RegionAccess access = new RegionAccess();
    private final ByteBuffer reply;
    private List<Descriptor> attached = List.of();

    Session(MessageChannel channel, OpenDevice device, Capabilities agreed, ByteBuffer reply) {
        this.channel = channel;
        this.device = device;
        this.agreed = agreed;
        this.reply = reply;
    }

    OpenDevice device() {
        return device;
    }

    /**
     * The device in the hands of the client, for as long as it takes to serve a request.
     *
     * @throws VfioException ENOTTY if it cannot be moved
     */
    Migratable migration() {
        return device.migration("the client");
    }

    Capabilities agreed() {
        return agreed;
    }

    MessageChannel channel() {
        return channel;
    }

    /** Bytes of request data. */
    int size() {
        return channel.dataSize();
    }

    int getInt(int offset) {
        return channel.received().getInt(Header.SIZE + offset);
    }

    long getLong(int offset) {
        return channel.received().getLong(Header.SIZE + offset);
    }

    byte getByte(int offset) {
        return channel.received().get(Header.SIZE + offset);
    }

    /** An access whose data is request data. */
    RegionAccess requestData(int region, long offset, int length, int at) {
        return access.wrap(region, offset, length, channel.received(), Header.SIZE + at);
    }

    /** An access whose data is reply data. */
    RegionAccess replyData(int region, long offset, int length, int at) {
        return access.wrap(region, offset, length, reply, Header.SIZE + at);
    }

    /** Request data from some offset on. */
    ByteBuffer requestBytes(int at, int length) {
        return channel.received().slice(Header.SIZE + at, length);
    }

    /** Place for reply data; what was there stays. */
    ByteBuffer replyBytes(int at, int length) {
        return reply.slice(Header.SIZE + at, length);
    }

    /** Makes the first bytes of the request data those of the reply. Returns how many. */
    int echo(int length) {
        reply.put(Header.SIZE, channel.received(), Header.SIZE, length);
        return length;
    }

    /**
     * Place for a bitmap in the reply, without a bit set.
     *
     * @param at its offset
     * @param size its bytes
     * @param argsz offset of the argsz field, the room for the reply
     * @throws VfioException EINVAL if it does not fit there, or is larger than was agreed
     */
    ByteBuffer replyBitmap(int at, long size, int argsz) {
        int maximum = Math.min(agreed.maxBitmapSize(), agreed.maxDataXferSize());
        if (size < 0 || size > maximum) {
            throw invalid("a bitmap of " + Long.toUnsignedString(size) + " bytes is larger than the agreed " + maximum);
        }
        requireArgsz(argsz, at + (int) size);
        ByteBuffer bitmap = replyBytes(at, (int) size);
        for (int index = 0; index < bitmap.limit(); index++) {
            bitmap.put(index, (byte) 0);
        }
        return bitmap;
    }

    Session putShort(int offset, int value) {
        reply.putShort(Header.SIZE + offset, (short) value);
        return this;
    }

    Session putInt(int offset, int value) {
        reply.putInt(Header.SIZE + offset, value);
        return this;
    }

    Session putLong(int offset, long value) {
        reply.putLong(Header.SIZE + offset, value);
        return this;
    }

    /** Sends a descriptor with the reply; it stays owned by whoever owns it now. */
    void attach(Descriptor descriptor) {
        attached = List.of(descriptor);
    }

    /** The descriptors to send with the reply; forgets them. */
    List<Descriptor> takeAttached() {
        List<Descriptor> taken = attached;
        attached = List.of();
        return taken;
    }

    /** Fails unless the request data has exactly this size. */
    void requireSize(int expected) {
        if (size() != expected) {
            throw invalid("message data of " + size() + " bytes where " + expected + " are expected");
        }
    }

    /** Fails unless the request data has at least this size. */
    void requireSizeAtLeast(int minimum) {
        if (size() < minimum) {
            throw invalid("message data of " + size() + " bytes where " + minimum + " are the least");
        }
    }

    /** Fails unless the argsz field, the room for the reply, has at least this value. */
    void requireArgsz(int offset, int minimum) {
        if (Integer.compareUnsigned(getInt(offset), minimum) < 0) {
            throw invalid("argsz " + Integer.toUnsignedString(getInt(offset)) + " is below " + minimum);
        }
    }

    static VfioException invalid(String why) {
        return new VfioException(Errno.EINVAL, why);
    }
}
