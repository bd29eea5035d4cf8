package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;

/**
 * Spreads frames over receive queues: the Toeplitz hash over their addresses and ports, and the lookup table from hash to
 * queue.
 *
 * <p>Which fields are hashed depends on the packet classifier type: addresses, and for TCP, UDP and SCTP also the ports;
 * fragments have none. Types are those of the XL710, numbered as the bits of VFQF_HENA; a type whose bit is 0 is not hashed,
 * and what is not hashed goes to queue 0. Bits of types that only the X722 tells apart are kept and mean nothing. One
 * thread at a time.
 */
final class ReceiveSideScaling {
    /** Bytes of VFQF_HKEY. */
    static final int KEY_SIZE = 52;

    /** Entries of VFQF_HLUT. */
    static final int TABLE_SIZE = 64;

    /** What {@code I40E_DEFAULT_RSS_HENA} lists. */
    static final long DEFAULT_HASH_TYPES = 0x8000_7a1e_8000_0000L;

    private static final int IPV4_SOURCE = 12;
    private static final int IPV6_SOURCE = 8;
    private static final int IPV4_TYPES = 31;
    private static final int IPV6_TYPES = 41;
    private static final int TYPE_UDP = 0;
    private static final int TYPE_TCP = 2;
    private static final int TYPE_SCTP = 3;
    private static final int TYPE_OTHER = 4;
    private static final int TYPE_FRAGMENT = 5;

    /** Two IPv6 addresses and two ports. */
    private static final int LONGEST_INPUT = 36;

    private static final int VALUES = 256;

    private final byte[] key = new byte[KEY_SIZE];
    private final byte[] queues = new byte[TABLE_SIZE];
    /** For each byte of the input and each of its values, what it adds to the hash. */
    private final int[] contributions = new int[LONGEST_INPUT * VALUES];

    private long hashTypes;
    private int value;
    private boolean hashed;

    /** Back to power-on: nothing is hashed, everything goes to queue 0. */
    void reset() {
        Arrays.fill(key, (byte) 0);
        Arrays.fill(queues, (byte) 0);
        Arrays.fill(contributions, 0);
        hashTypes = 0;
    }

    /**
     * Sets the key.
     *
     * @param bytes {@link #KEY_SIZE} of them
     */
    void setKey(byte[] bytes) {
        Objects.checkFromIndexSize(0, KEY_SIZE, bytes.length);
        System.arraycopy(bytes, 0, key, 0, KEY_SIZE);
        for (int position = 0; position < LONGEST_INPUT; position++) {
            int base = position * VALUES;
            for (int input = 1; input < VALUES; input++) {
                int lowest = Integer.numberOfTrailingZeros(input);
                int rest = input & (input - 1);
                contributions[base + input] =
                        contributions[base + rest] ^ window(position * Byte.SIZE + Byte.SIZE - 1 - lowest);
            }
        }
    }

    /** The key, as {@link #setKey} got it. */
    byte[] key() {
        return key.clone();
    }

    /**
     * Sets the lookup table.
     *
     * @param entries {@link #TABLE_SIZE} queue numbers
     */
    void setLookupTable(byte[] entries) {
        Objects.checkFromIndexSize(0, TABLE_SIZE, entries.length);
        System.arraycopy(entries, 0, queues, 0, TABLE_SIZE);
    }

    /** The lookup table, as {@link #setLookupTable} got it. */
    byte[] lookupTable() {
        return queues.clone();
    }

    /** Sets what is hashed, as VFQF_HENA says it. */
    void setHashTypes(long types) {
        hashTypes = types;
    }

    long hashTypes() {
        return hashTypes;
    }

    /** Bytes: {@link #KEY_SIZE} key, {@link #TABLE_SIZE} lookup table, 8 hash types. */
    byte[] encode() {
        return ByteBuffer.allocate(KEY_SIZE + TABLE_SIZE + Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(key)
                .put(queues)
                .putLong(hashTypes)
                .array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in, int queuePairs) {
        byte[] newKey = in.readBytes(KEY_SIZE);
        byte[] entries = in.readBytes(TABLE_SIZE);
        for (byte entry : entries) {
            in.require(
                    (entry & 0xff) < queuePairs,
                    "the lookup table names queue " + (entry & 0xff) + " of " + queuePairs);
        }
        long types = in.readLong();
        in.require((types & ~DEFAULT_HASH_TYPES) == 0, "hash types are 0x" + Long.toHexString(types));
        return () -> {
            setKey(newKey);
            setLookupTable(entries);
            setHashTypes(types);
        };
    }

    /**
     * Hashes a frame.
     *
     * @param bytes what the headers were parsed from
     * @return whether it is of a type that is hashed; else {@link #value()} and {@link #queue()} are 0
     */
    boolean hash(ByteBuffer bytes, FrameHeaders headers) {
        value = 0;
        hashed = headers.ipVersion() != 0 && ((hashTypes >>> type(headers)) & 1) != 0;
        if (hashed) {
            value = toeplitz(bytes, headers);
        }
        return hashed;
    }

    /** The hash of the last frame. */
    int value() {
        return value;
    }

    /** The queue of the last frame, as the lookup table says it, from 0 to 255: it may be one that does not exist. */
    int queue() {
        return hashed ? queues[value & (TABLE_SIZE - 1)] & 0xff : 0;
    }

    private int toeplitz(ByteBuffer bytes, FrameHeaders headers) {
        int hash;
        int position;
        if (headers.ipVersion() == 4) {
            hash = add(bytes.getLong(headers.ipOffset() + IPV4_SOURCE), 0);
            position = Long.BYTES;
        } else {
            int source = headers.ipOffset() + IPV6_SOURCE;
            hash = 0;
            for (position = 0; position < 4 * Long.BYTES; position += Long.BYTES) {
                hash ^= add(bytes.getLong(source + position), position);
            }
        }
        if (headers.protocol() != L4Protocol.NONE) {
            hash ^= add(bytes.getInt(headers.l4Offset()), position);
        }
        return hash;
    }

    private int add(long input, int position) {
        return add((int) (input >>> Integer.SIZE), position) ^ add((int) input, position + Integer.BYTES);
    }

    private int add(int input, int position) {
        int base = position * VALUES;
        return contributions[base + (input >>> 24)]
                ^ contributions[base + VALUES + ((input >>> 16) & 0xff)]
                ^ contributions[base + 2 * VALUES + ((input >>> 8) & 0xff)]
                ^ contributions[base + 3 * VALUES + (input & 0xff)];
    }

    /** 32 bits of the key, from a bit on; bit 0 is the most significant of the first byte. */
    private int window(int bit) {
        int first = bit / Byte.SIZE;
        long bits = 0;
        for (int index = first; index < first + 5; index++) {
            bits = (bits << Byte.SIZE) | (key[index] & 0xff);
        }
        return (int) (bits >>> (Byte.SIZE - bit % Byte.SIZE));
    }

    private static int type(FrameHeaders headers) {
        int types = headers.ipVersion() == 4 ? IPV4_TYPES : IPV6_TYPES;
        if (headers.isFragment()) {
            return types + TYPE_FRAGMENT;
        }
        return types
                + switch (headers.protocol()) {
                    case NONE -> TYPE_OTHER;
                    case TCP -> TYPE_TCP;
                    case SCTP -> TYPE_SCTP;
                    case UDP -> TYPE_UDP;
                };
    }
}
