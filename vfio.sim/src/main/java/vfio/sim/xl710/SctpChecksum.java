package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** The checksum of SCTP (RFC 9260, appendix A): a CRC32c that goes onto the wire with its least significant byte first. */
final class SctpChecksum {
    private SctpChecksum() {}

    /**
     * Computes the checksum of a packet whose checksum field holds 0.
     *
     * @param crc anybody's, to compute with
     * @param bytes big-endian; its position and limit are changed meanwhile
     * @return what a big-endian buffer stores in the field
     */
    static int compute(CRC32C crc, ByteBuffer bytes, int offset, int length) {
        int position = bytes.position();
        int limit = bytes.limit();
        crc.reset();
        crc.update(bytes.limit(offset + length).position(offset));
        bytes.limit(limit).position(position);
        return Integer.reverseBytes((int) crc.getValue());
    }
}
