package vfio.sim;

/**
 * How a base address register looks in configuration space, and whether its pages may be mapped.
 *
 * @param index BAR number, 0 to 5; a 64-bit BAR also takes the register after it
 * @param kind address space and width
 * @param size bytes, a power of two; at most 256 for I/O, at least 16 for memory
 * @param mappable whether pages without behaviour may be mapped by a client
 */
record BarShape(int index, Kind kind, long size, boolean mappable) {
    /** Address space and width; the value is what the low bits of the register read as. */
    enum Kind {
        IO(0x1),
        MEMORY_32(0x0),
        MEMORY_64(0x4),
        MEMORY_64_PREFETCHABLE(0xc);

        private final int typeBits;

        Kind(int typeBits) {
            this.typeBits = typeBits;
        }

        int typeBits() {
            return typeBits;
        }

        boolean wide() {
            return this == MEMORY_64 || this == MEMORY_64_PREFETCHABLE;
        }
    }

    BarShape {
        boolean sizeFits = kind == Kind.IO ? size >= 4 && size <= 256 : size >= 16;
        if (Long.bitCount(size) != 1 || !sizeFits) {
            throw new IllegalArgumentException("a BAR cannot have " + size + " bytes");
        }
        if (index < 0 || index + (kind.wide() ? 1 : 0) > 5) {
            throw new IllegalArgumentException("a function has no BAR" + index + " of kind " + kind);
        }
    }

    /** The address bits that can be written; all others read as zero or as the type. */
    long addressMask() {
        return -size;
    }
}
