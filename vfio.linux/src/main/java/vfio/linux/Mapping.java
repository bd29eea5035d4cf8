package vfio.linux;

/**
 * Owns a range of addresses that {@code mmap} returned. Closed once, by {@link MappedMemory}.
 *
 * @param address of the first page
 * @param length bytes, whole pages
 * @param data address of the byte that was asked for
 */
record Mapping(long address, long length, long data) implements AutoCloseable {
    /** What memory has that is not mapped here. */
    static final Mapping NONE = new Mapping(0, 0, 0);

    /** Maps the pages that a part of a file lies in. */
    static Mapping of(int fd, MappableFile file) {
        long mask = file.pageSize() - 1L;
        long lead = file.offset() & mask;
        long length = (lead + file.size() + mask) & ~mask;
        int protection = Linux.PROT_READ | (file.writable() ? Linux.PROT_WRITE : 0);
        long address = Libc.mmap(0, length, protection, Linux.MAP_SHARED, fd, file.offset() - lead);
        if (address == -1) {
            throw Failures.last(
                    "mapping " + file.size() + " bytes of a file " + (file.writable() ? "for writing" : "for reading"));
        }
        return new Mapping(address, length, address + lead);
    }

    @Override
    public void close() {
        if (length != 0) {
            Libc.munmap(address, length);
        }
    }
}
