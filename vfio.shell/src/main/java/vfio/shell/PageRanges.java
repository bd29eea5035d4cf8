package vfio.shell;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Pages as ranges, one a line. */
final class PageRanges {
    private static final int PAGE_SHIFT = 12;

    private PageRanges() {}

    /**
     * Writes page numbers as ranges of addresses.
     *
     * @param pages ascending
     */
    static String text(long... pages) {
        if (pages.length == 0) {
            return "nothing";
        }
        List<String> ranges = new ArrayList<>();
        int start = 0;
        for (int index = 1; index <= pages.length; index++) {
            if (index == pages.length || pages[index] != pages[index - 1] + 1) {
                ranges.add(String.format(
                        Locale.ROOT, "0x%x +0x%x", pages[start] << PAGE_SHIFT, (long) (index - start) << PAGE_SHIFT));
                start = index;
            }
        }
        return String.join(System.lineSeparator(), ranges);
    }
}
