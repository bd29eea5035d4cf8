package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import vfio.pci.api.device.Migratable;

/** The pages that a model of a function has written, and whether each has been reported since. */
final class WriteRecord {
    static final int PAGE = 4096;

    private final int size;
    private final int[] reported;
    private final List<Written> written = new ArrayList<>();
    private int clock;

    /** When the last report began. What is written meanwhile may be in a later one. */
    private int begun;

    /** A page that was written and has not been reported since. */
    static final class Written {
        final String what;

        /** Where the buffer was posted; -1 if it is none, or its queue has ended. */
        int slot;

        /** Whether the next report has to have it. What nobody can see is in a later one. */
        boolean visible;

        private final int page;
        private final int time;

        private Written(int page, int time, int slot, String what, boolean visible) {
            this.page = page;
            this.time = time;
            this.slot = slot;
            this.what = what;
            this.visible = visible;
        }

        @Override
        public String toString() {
            return "page 0x" + Integer.toHexString(page) + " of " + what;
        }
    }

    WriteRecord(int size) {
        this.size = size;
        reported = new int[size / PAGE];
    }

    void add(int address, String what, int slot, boolean visible) {
        written.add(new Written(address / PAGE, clock, slot, what, visible));
    }

    /** What was written to buffers of one slot. */
    List<Written> of(int slot) {
        return written.stream().filter(one -> one.slot == slot).toList();
    }

    List<Written> all() {
        return List.copyOf(written);
    }

    void remove(Predicate<Written> which) {
        written.removeIf(which);
    }

    void report(Migratable migration) {
        begun = ++clock;
        ByteBuffer bitmap = ByteBuffer.allocate(size / PAGE / 8);
        migration.report(0, size, PAGE, bitmap);
        for (int page = 0; page < reported.length; page++) {
            if ((bitmap.get(page / 8) >> (page % 8) & 1) != 0) {
                reported[page] = clock;
            }
        }
        written.removeIf(one -> one.time <= reported[one.page]);
        clock++;
    }

    /** That nothing is missed; what is not visible counts at the end. */
    void assertReported(boolean end) {
        assertThat(written)
                .filteredOn(one -> end || (one.visible && one.time < begun))
                .isEmpty();
    }
}
