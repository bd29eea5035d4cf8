package vfio.sim.xl710;

import java.nio.ByteBuffer;

/**
 * The one's complement sum of 16-bit big-endian words (RFC 1071), over ranges of big-endian buffers.
 *
 * <p>A sum is a number from 0 to 0xffff; 0 only if all bytes are 0. A range of odd length counts as if a byte 0 followed.
 */
final class InternetChecksum {
    private static final int WORD = 0xffff;
    private static final long INT = 0xffff_ffffL;

    private InternetChecksum() {}

    /** The sum of a range, which may begin anywhere. */
    static int sum(ByteBuffer bytes, int offset, int length) {
        // Halves of longs: 2^32 is 1 modulo 0xffff, and as many as fit an int never overflow.
        long sum = 0;
        int at = offset;
        int left = length;
        for (; left >= 4 * Long.BYTES; left -= 4 * Long.BYTES, at += 4 * Long.BYTES) {
            long first = bytes.getLong(at);
            long second = bytes.getLong(at + Long.BYTES);
            long third = bytes.getLong(at + 2 * Long.BYTES);
            long fourth = bytes.getLong(at + 3 * Long.BYTES);
            sum += (first >>> 32) + (first & INT) + (second >>> 32) + (second & INT);
            sum += (third >>> 32) + (third & INT) + (fourth >>> 32) + (fourth & INT);
        }
        for (; left >= Long.BYTES; left -= Long.BYTES, at += Long.BYTES) {
            long word = bytes.getLong(at);
            sum += (word >>> 32) + (word & INT);
        }
        if (left >= Integer.BYTES) {
            sum += bytes.getInt(at) & INT;
            left -= Integer.BYTES;
            at += Integer.BYTES;
        }
        if (left >= Short.BYTES) {
            sum += bytes.getShort(at) & WORD;
            left -= Short.BYTES;
            at += Short.BYTES;
        }
        if (left > 0) {
            sum += (bytes.get(at) & 0xff) << Byte.SIZE;
        }
        return fold(sum);
    }

    /** The sum of two ranges that each begin at an even distance from the start, or of a range and a number of up to 31 bits. */
    static int add(int sum, int other) {
        return fold((long) sum + other);
    }

    /**
     * The sum of two adjacent ranges.
     *
     * @param sum of the first range
     * @param length of the first range, which may be odd
     * @param next the sum of the second range by itself
     */
    static int append(int sum, int length, int next) {
        return add(sum, (length & 1) == 0 ? next : ((next << Byte.SIZE) | (next >>> Byte.SIZE)) & WORD);
    }

    /** Whether two sums are the same number: 0 and 0xffff are. */
    static boolean isSame(int sum, int other) {
        return sum % WORD == other % WORD;
    }

    /** What is stored in a header: the complement. */
    static int checksum(int sum) {
        return ~sum & WORD;
    }

    private static int fold(long sum) {
        long folded = (sum >>> 32) + (sum & INT);
        folded = (folded >>> 16) + (folded & WORD);
        folded = (folded >>> 16) + (folded & WORD);
        return (int) ((folded >>> 16) + (folded & WORD));
    }
}
