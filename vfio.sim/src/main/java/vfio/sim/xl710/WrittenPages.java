package vfio.sim.xl710;

import java.util.Arrays;

/** Pages that a device wrote, each once. Safe for several threads; used only while somebody wants to know. */
final class WrittenPages {
    static final int PAGE_SHIFT = 12;

    private static final long EMPTY = -1;

    private long[] table = emptied(1024);
    private int size;

    /** Adds the pages of a range; a page number is an address without its low 12 bits. */
    synchronized void add(long iova, int length) {
        long last = (iova + length - 1) >>> PAGE_SHIFT;
        for (long page = iova >>> PAGE_SHIFT; page <= last; page++) {
            add(page);
        }
    }

    /** Takes out the page numbers that were added since the last time, ascending. */
    synchronized long[] take() {
        long[] pages =
                Arrays.stream(table).filter(page -> page != EMPTY).sorted().toArray();
        Arrays.fill(table, EMPTY);
        size = 0;
        return pages;
    }

    private void add(long page) {
        int at = slot(table, page);
        if (table[at] == EMPTY) {
            table[at] = page;
            if (++size > table.length / 2) {
                grow();
            }
        }
    }

    private void grow() {
        long[] larger = emptied(2 * table.length);
        for (long page : table) {
            if (page != EMPTY) {
                larger[slot(larger, page)] = page;
            }
        }
        table = larger;
    }

    private static int slot(long[] table, long page) {
        int mask = table.length - 1;
        int at = (int) ((page * 0x9e3779b97f4a7c15L) >>> 40) & mask;
        while (table[at] != EMPTY && table[at] != page) {
            at = (at + 1) & mask;
        }
        return at;
    }

    private static long[] emptied(int length) {
        long[] table = new long[length];
        Arrays.fill(table, EMPTY);
        return table;
    }
}
