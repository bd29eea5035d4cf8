package migration.region;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The bits of a range of pages, in chunks that are allocated where bits are set.
 *
 * <p>To take out bits where they are takes an atomic operation for each word. So a chunk is taken out as a whole: a spare one is put
 * in its place, it is read and cleared in peace, and is the spare for the next place. Who sets bits looks afterwards whether the
 * chunk is still in its place, and if not sets them again, since nobody knows whether it had been read already. Each side writes
 * before it looks: either the one who sets sees that the chunk is gone, or the one who takes it sees the bits. That the same chunk is
 * there means that it has been there all the time, because chunks only move to higher places, and in the end to none. Who sets bits
 * in a chunk that has moved leaves them there as well, for pages that were not written; so whole chunks only are moved, all of whose
 * pages are asked for.
 */
final class DirtyArea {
    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
    private static final int CHUNK_WORDS = 512;
    private static final int CHUNK_SHIFT = 15;
    private static final int LAST_PAGE = (1 << CHUNK_SHIFT) - 1;

    /** Gets the words of one chunk after the other. */
    @FunctionalInterface
    interface Receiver {
        /**
         * Takes words; each that it has taken it sets to 0.
         *
         * @param page number of the page of bit 0 of word 0
         * @param words some of them 0
         * @param from the first word
         * @param to behind the last word
         */
        void receive(long page, long[] words, int from, int to);
    }

    private final long first;
    private final long last;
    private final AtomicReferenceArray<long @Nullable []> chunks;

    /**
     * An area without a bit set.
     *
     * @param first number of a page
     * @param last number of a page, not before it
     * @throws VfioException EINVAL if these are too many
     */
    DirtyArea(long first, long last) {
        this.first = first;
        this.last = last;
        long count = ((last - first) >>> CHUNK_SHIFT) + 1;
        if (count < 0 || count > Integer.MAX_VALUE - 8) {
            throw new VfioException(
                    Errno.EINVAL,
                    "a range of " + (last - first) + " pages is too large to be watched; use larger pages");
        }
        chunks = new AtomicReferenceArray<>((int) count);
    }

    long first() {
        return first;
    }

    long last() {
        return last;
    }

    boolean isMarked(long page) {
        long index = page - first;
        long[] chunk = chunks.get((int) (index >>> CHUNK_SHIFT));
        return chunk != null && (((long) WORD.getVolatile(chunk, ((int) index & LAST_PAGE) >>> 6) >>> index) & 1) != 0;
    }

    long count() {
        long count = 0;
        for (int index = 0; index < chunks.length(); index++) {
            long[] chunk = chunks.get(index);
            if (chunk != null) {
                for (int word = 0; word < CHUNK_WORDS; word++) {
                    count += Long.bitCount((long) WORD.getOpaque(chunk, word));
                }
            }
        }
        return count;
    }

    /** Sets the bits from one page to another. What was written before can be read by whoever takes them out. */
    void mark(long from, long to) {
        long end = to - first;
        for (long index = from - first; index <= end; ) {
            int at = (int) (index >>> CHUNK_SHIFT);
            int low = (int) index & LAST_PAGE;
            int high = (int) Math.min(LAST_PAGE, low + (end - index));
            long[] chunk;
            do {
                chunk = chunk(at);
                set(chunk, low, high);
            } while (chunks.get(at) != chunk);
            index += high - low + 1;
        }
    }

    /** Takes out the bits from one page to another. */
    void drain(long from, long to, Receiver receiver) {
        long[] spare = new long[CHUNK_WORDS];
        long end = to - first;
        for (long index = from - first; index <= end; ) {
            int at = (int) (index >>> CHUNK_SHIFT);
            int low = (int) index & LAST_PAGE;
            int high = (int) Math.min(LAST_PAGE, low + (end - index));
            long[] chunk = chunks.get(at);
            if (chunk != null && isAnySet(chunk)) {
                if (low == 0 && high == LAST_PAGE) {
                    spare = take(at, spare);
                    give(spare, low, high, at, receiver);
                } else {
                    give(take(at, low, high), low, high, at, receiver);
                }
            }
            index += high - low + 1;
        }
    }

    private void or(int at, int word, long bits) {
        long[] chunk;
        do {
            chunk = chunk(at);
            WORD.getAndBitwiseOr(chunk, word, bits);
        } while (chunks.get(at) != chunk);
    }

    private long[] chunk(int index) {
        long[] chunk = chunks.get(index);
        if (chunk == null) {
            long[] fresh = new long[CHUNK_WORDS];
            chunk = chunks.compareAndExchange(index, null, fresh);
            if (chunk == null) {
                chunk = fresh;
            }
        }
        return chunk;
    }

    /** Where all bits of a word are set it does not matter what was there, so storing them will do, between two fences for all. */
    private static void set(long[] chunk, int from, int to) {
        int word = from >>> 6;
        int lastWord = to >>> 6;
        long head = -1L << from;
        long tail = -1L >>> ~to;
        if (word == lastWord) {
            WORD.getAndBitwiseOr(chunk, word, head & tail);
        } else {
            WORD.getAndBitwiseOr(chunk, word, head);
            WORD.getAndBitwiseOr(chunk, lastWord, tail);
            VarHandle.releaseFence();
            Arrays.fill(chunk, word + 1, lastWord, -1L);
            VarHandle.fullFence();
        }
    }

    private static boolean isAnySet(long[] chunk) {
        for (int word = 0; word < CHUNK_WORDS; word++) {
            if ((long) WORD.getOpaque(chunk, word) != 0) {
                return true;
            }
        }
        return false;
    }

    /** Takes a chunk out. One thread at a time takes, so that no chunk moves while another takes bits out of it. */
    private synchronized long[] take(int at, long[] spare) {
        long[] taken = chunks.getAndSet(at, spare);
        // Its bits are read after that, on every processor.
        VarHandle.fullFence();
        return taken;
    }

    /** Takes the bits from one page of a chunk to another out, and leaves the chunk: it may have pages that nobody asked for. */
    private synchronized long[] take(int at, int from, int to) {
        long[] taken = new long[CHUNK_WORDS];
        long[] chunk = chunk(at);
        for (int word = from >>> 6; word <= to >>> 6; word++) {
            long mask = (word == from >>> 6 ? -1L << from : -1L) & (word == to >>> 6 ? -1L >>> ~to : -1L);
            if (((long) WORD.getOpaque(chunk, word) & mask) != 0) {
                taken[word] = (long) WORD.getAndBitwiseAnd(chunk, word, ~mask) & mask;
            }
        }
        return taken;
    }

    /** What the receiver leaves because it throws is set again. */
    private void give(long[] taken, int low, int high, int at, Receiver receiver) {
        int end = (high >>> 6) + 1;
        boolean all = false;
        try {
            receiver.receive(first + ((long) at << CHUNK_SHIFT), taken, low >>> 6, end);
            all = true;
        } finally {
            for (int left = low >>> 6; !all && left < end; left++) {
                or(at, left, taken[left]);
            }
        }
    }
}
