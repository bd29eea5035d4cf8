package vfio.migration;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;

/**
 * The first message: what is to come.
 *
 * @param ids of the device
 * @param address of the device at the target
 * @param memory that its client has mapped for it, at most {@value #RANGES_MAXIMUM} ranges
 */
record Hello(PciIds ids, PciAddress address, List<DmaRange> memory) {
    /** Of the protocol. */
    static final int VERSION = 2;

    /** So many fit into a message. */
    static final int RANGES_MAXIMUM = 8192;

    void encode(ByteBuffer to) {
        to.putInt(VERSION);
        to.putInt(ids.vendor())
                .putInt(ids.device())
                .putInt(ids.subsystemVendor())
                .putInt(ids.subsystem());
        to.putInt(ids.classCode()).putInt(ids.revision());
        byte[] name = address.toString().getBytes(StandardCharsets.US_ASCII);
        to.putInt(name.length).put(name);
        encode(memory, to);
    }

    static Hello decode(ByteBuffer from) {
        try {
            int version = from.getInt();
            if (version != VERSION) {
                throw new VfioException(
                        Errno.EPROTO,
                        "it speaks version " + version + " of the protocol, and here it is " + VERSION
                                + "; use runtimes of one version");
            }
            PciIds ids = new PciIds(
                    from.getInt(), from.getInt(), from.getInt(), from.getInt(), from.getInt(), from.getInt());
            byte[] name = new byte[Math.min(Math.max(0, from.getInt()), from.remaining())];
            from.get(name);
            PciAddress address = PciAddress.parse(new String(name, StandardCharsets.US_ASCII));
            return new Hello(ids, address, decodeRanges(from));
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            throw new VfioException(Errno.EPROTO, "the first message cannot be understood", e);
        }
    }

    /** Appends ranges: their number, then start and length of each. */
    static void encode(List<DmaRange> ranges, ByteBuffer to) {
        if (ranges.size() > RANGES_MAXIMUM) {
            throw new VfioException(
                    Errno.EOVERFLOW,
                    "the client has mapped " + ranges.size() + " ranges, and no more than " + RANGES_MAXIMUM
                            + " can be moved");
        }
        to.putInt(ranges.size());
        ranges.forEach(range -> to.putLong(range.iova()).putLong(range.length()));
    }

    static List<DmaRange> decodeRanges(ByteBuffer from) {
        try {
            int count = from.getInt();
            if (count < 0 || count > from.remaining() / (2 * Long.BYTES)) {
                throw new VfioException(Errno.EPROTO, "a list of " + count + " ranges is cut off");
            }
            List<DmaRange> ranges = new ArrayList<>();
            for (int index = 0; index < count; index++) {
                ranges.add(new DmaRange(from.getLong(), from.getLong()));
            }
            return ranges;
        } catch (BufferUnderflowException e) {
            throw new VfioException(Errno.EPROTO, "a list of ranges is cut off", e);
        }
    }
}
