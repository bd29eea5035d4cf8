package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * What a simulated function says itself that it wrote, against what its driver in the path derived. A page that was written before
 * a report must be in that report or in a later one.
 */
final class WriteOracle {
    private static final int PAGE_SHIFT = 12;

    private final RuntimeProcess runtime;
    private final String function;
    private final long firstPage;
    private final List<BitSet> written = new ArrayList<>();
    private final List<BitSet> reported = new ArrayList<>();

    /** @param iova start of the memory; pages are counted from there */
    WriteOracle(RuntimeProcess runtime, String function, long iova) {
        this.runtime = runtime;
        this.function = function;
        firstPage = iova >>> PAGE_SHIFT;
    }

    void start() {
        runtime.ask("sim:written " + function + " on");
    }

    void end() {
        runtime.ask("sim:written " + function + " off");
    }

    /** A report is about to be asked for. */
    void look() {
        written.add(take());
    }

    /** The pages that were written since the last time. */
    BitSet take() {
        BitSet pages = new BitSet();
        runtime.ask("sim:written " + function)
                .lines()
                .filter(line -> line.startsWith("0x"))
                .forEach(line -> {
                    String[] range = line.split(" \\+", 2);
                    int first = (int) ((Long.decode(range[0]) >>> PAGE_SHIFT) - firstPage);
                    pages.set(first, first + (int) (Long.decode(range[1]) >>> PAGE_SHIFT));
                });
        return pages;
    }

    /** The report that followed. */
    void reported(BitSet pages) {
        reported.add(pages);
    }

    /** Every page that was written has been reported since. */
    void assertSound() {
        BitSet since = new BitSet();
        for (int round = written.size() - 1; round >= 0; round--) {
            since.or(reported.get(round));
            BitSet missed = (BitSet) written.get(round).clone();
            missed.andNot(since);
            assertThat(missed.isEmpty())
                    .as(
                            "of %d reports, pages written before number %d and not reported since: %s",
                            written.size(), round + 1, missed)
                    .isTrue();
        }
    }

    /** Pages written, each once for each time between two reports. */
    long writtenPages() {
        return written.stream().mapToLong(BitSet::cardinality).sum();
    }
}
