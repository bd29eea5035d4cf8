package migration.region;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciIds;

/** The bytes of a {@link SavedState}, as specified in {@code docs/stream.md}. */
final class StateCodec {
    /** "VFIOMIG" and a line feed, which conversions of text change. */
    private static final byte[] MAGIC = "VFIOMIG\n".getBytes(StandardCharsets.US_ASCII);

    private static final int FORMAT = 1;
    private static final int END = 0xffff_ffff;

    private static final int FLAG_OPTIONAL = 1;

    /** Number, flags and length. */
    private static final int RECORD_HEADER = 3 * Integer.BYTES;

    private static final int RECORD = RECORD_HEADER + Integer.BYTES;

    /** Of the origin, in front of the name of the driver. */
    private static final int ORIGIN = 4 * Short.BYTES + 3 * Integer.BYTES;

    private StateCodec() {}

    /** A record, checked as far as all records are alike. */
    private record Entry(int number, int flags, ByteBuffer payload) {}

    static ByteBuffer encode(SavedState state) {
        byte[] driver = utf8(state.origin().driver());
        long size = (long) MAGIC.length + RECORD + ORIGIN + driver.length + RECORD;
        for (Section section : state.sections()) {
            size += (long) RECORD + 1 + utf8(section.name()).length + section.content().length;
        }
        checkLength(size);
        ByteBuffer stream = ByteBuffer.allocate((int) size).order(ByteOrder.LITTLE_ENDIAN);
        stream.put(MAGIC);
        int start = begin(stream, 0, FORMAT, ORIGIN + driver.length);
        PciIds ids = state.origin().ids();
        stream.putShort((short) ids.vendor()).putShort((short) ids.device());
        stream.putShort((short) ids.subsystemVendor()).putShort((short) ids.subsystem());
        stream.putInt(ids.classCode() << 8 | ids.revision());
        stream.putInt(state.origin().schema()).putInt(state.origin().pageSize());
        finish(stream.put(driver), start);
        int number = 1;
        for (Section section : state.sections()) {
            byte[] name = utf8(section.name());
            int flags = section.optional() ? FLAG_OPTIONAL : 0;
            start = begin(stream, number++, flags, 1 + name.length + section.content().length);
            finish(stream.put((byte) name.length).put(name).put(section.content()), start);
        }
        finish(stream, begin(stream, END, state.sections().size(), 0));
        return stream.flip();
    }

    static SavedState decode(ByteBuffer bytes) {
        checkLength(bytes.remaining());
        ByteBuffer stream = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        if (stream.remaining() < MAGIC.length || !stream.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
            throw wrong("this is no saved state of a device: it does not begin like one");
        }
        stream.position(MAGIC.length);
        Entry first = entry(stream, 0);
        if (first.flags != FORMAT) {
            throw wrong("the state is in version " + first.flags + " of the format, and version " + FORMAT
                    + " is known here");
        }
        Origin origin = origin(first);
        List<Section> sections = new ArrayList<>();
        Entry next = entry(stream, 1);
        while (next.number != END) {
            sections.add(section(next));
            next = entry(stream, next.number + 1);
        }
        if (next.flags != sections.size() || next.payload.hasRemaining()) {
            throw wrong("the state ends with section " + sections.size() + ", and should have " + next.flags);
        }
        if (stream.hasRemaining()) {
            throw wrong(stream.remaining() + " bytes follow the end of the state");
        }
        try {
            return new SavedState(origin, sections);
        } catch (VfioException e) {
            throw wrong(String.valueOf(e.getMessage()));
        }
    }

    private static int begin(ByteBuffer stream, int number, int flags, int length) {
        int start = stream.position();
        stream.putInt(number).putInt(flags).putInt(length);
        return start;
    }

    private static void finish(ByteBuffer stream, int start) {
        stream.putInt(checksum(stream, start, stream.position()));
    }

    private static int checksum(ByteBuffer stream, int start, int end) {
        CRC32C checksum = new CRC32C();
        checksum.update(stream.duplicate().limit(end).position(start));
        return (int) checksum.getValue();
    }

    /** Takes the next record, which must have a number or be the end. */
    private static Entry entry(ByteBuffer stream, int expected) {
        int start = stream.position();
        String name = expected == 0 ? "its origin" : "section " + expected;
        if (stream.remaining() < RECORD) {
            throw wrong("the state is cut off before " + name + " or its end");
        }
        int number = stream.getInt();
        int flags = stream.getInt();
        int length = stream.getInt();
        if (length < 0 || length > stream.remaining() - Integer.BYTES) {
            throw wrong("the state is cut off within " + name + ", or the length of that is wrong");
        }
        ByteBuffer payload = stream.slice(stream.position(), length).order(ByteOrder.LITTLE_ENDIAN);
        stream.position(stream.position() + length);
        int end = stream.position();
        if (stream.getInt() != checksum(stream, start, end)) {
            throw wrong("the state is damaged in " + name + ": its checksum is wrong");
        }
        if (number != expected && (number != END || expected == 0)) {
            throw wrong("section " + number + " comes where " + name + " or the end is expected");
        }
        return new Entry(number, flags, payload);
    }

    private static Origin origin(Entry entry) {
        ByteBuffer payload = entry.payload;
        if (payload.remaining() < ORIGIN) {
            throw wrong("the origin of the state has " + payload.remaining() + " bytes, and needs " + ORIGIN);
        }
        int vendor = unsigned(payload);
        int device = unsigned(payload);
        int subsystemVendor = unsigned(payload);
        int subsystem = unsigned(payload);
        int classAndRevision = payload.getInt();
        int schema = payload.getInt();
        int pageSize = payload.getInt();
        PciIds ids =
                new PciIds(vendor, device, subsystemVendor, subsystem, classAndRevision >>> 8, classAndRevision & 0xff);
        try {
            return new Origin(ids, text(payload), schema, pageSize);
        } catch (VfioException e) {
            throw wrong(String.valueOf(e.getMessage()));
        }
    }

    private static Section section(Entry entry) {
        if ((entry.flags & ~FLAG_OPTIONAL) != 0) {
            throw wrong("section " + entry.number + " has flags that are not known here: " + entry.flags);
        }
        ByteBuffer payload = entry.payload;
        int length = payload.hasRemaining() ? payload.get() & 0xff : 0;
        if (length > payload.remaining()) {
            throw wrong("the name of section " + entry.number + " is longer than the section");
        }
        String name = text(payload.slice(payload.position(), length));
        byte[] content = new byte[payload.remaining() - length];
        payload.get(payload.position() + length, content);
        try {
            return new Section(name, (entry.flags & FLAG_OPTIONAL) != 0, content);
        } catch (VfioException e) {
            throw wrong("section " + entry.number + ": " + e.getMessage());
        }
    }

    private static int unsigned(ByteBuffer payload) {
        return payload.getShort() & 0xffff;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw wrong("a name in the state is no text");
        }
    }

    private static void checkLength(long length) {
        if (length > SavedState.LENGTH_MAXIMUM) {
            throw new VfioException(
                    Errno.EOVERFLOW,
                    "a state of " + length + " bytes is longer than " + SavedState.LENGTH_MAXIMUM
                            + ", the most there may be");
        }
    }

    private static VfioException wrong(String sentence) {
        return new VfioException(Errno.EPROTO, sentence);
    }
}
