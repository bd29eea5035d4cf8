package vfio.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import vfio.pci.api.pci.PciRegion;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;

/** The messages of a trapped 4-byte read, for peers that do nothing but send bytes. */
final class Messages {
    /** VFGEN_RSTAT of a virtual function: on a page that cannot be mapped, without an effect of its own. */
    static final long RSTAT = 0x8800;

    /** What RSTAT reads after a reset. */
    static final int RSTAT_ACTIVE = 2;

    /** Bytes of a REGION_READ. */
    static final int REQUEST_SIZE = Header.SIZE + Layout.RegionIo.SIZE;

    /** Bytes of its reply. */
    static final int REPLY_SIZE = REQUEST_SIZE + Integer.BYTES;

    private static final String CAPABILITIES = "{\"capabilities\":{\"max_msg_fds\":8}}\0";

    private Messages() {}

    /** A VERSION request. */
    static byte[] version() {
        byte[] capabilities = CAPABILITIES.getBytes(StandardCharsets.US_ASCII);
        byte[] message = new byte[Header.SIZE + Layout.Version.DATA + capabilities.length];
        ByteBuffer fields = header(message, Command.VERSION);
        fields.putShort(Header.SIZE + Layout.Version.MAJOR, (short) 0);
        fields.putShort(Header.SIZE + Layout.Version.MINOR, (short) 1);
        fields.put(Header.SIZE + Layout.Version.DATA, capabilities);
        return message;
    }

    /** A REGION_READ of RSTAT. */
    static byte[] readRstat() {
        byte[] message = new byte[REQUEST_SIZE];
        ByteBuffer fields = header(message, Command.REGION_READ);
        fields.putLong(Header.SIZE + Layout.RegionIo.OFFSET, RSTAT);
        fields.putInt(Header.SIZE + Layout.RegionIo.REGION, PciRegion.BAR0);
        fields.putInt(Header.SIZE + Layout.RegionIo.COUNT, Integer.BYTES);
        return message;
    }

    private static ByteBuffer header(byte[] message, Command command) {
        ByteBuffer fields = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        fields.putShort(Header.MESSAGE_ID, (short) command.number());
        fields.putShort(Header.COMMAND, (short) command.number());
        fields.putInt(Header.MESSAGE_SIZE, message.length);
        return fields.putInt(Header.FLAGS, Header.FLAGS_TYPE_COMMAND);
    }
}
