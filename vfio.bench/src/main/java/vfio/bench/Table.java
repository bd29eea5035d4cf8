package vfio.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;

/** A table of results as text: a title, a label for each row, numbers to the right. */
final class Table {
    private final List<List<String>> rows = new ArrayList<>();

    /**
     * @param title stands above the labels
     * @param columns their heads
     */
    Table(String title, String... columns) {
        row(title, columns);
    }

    /** Adds a row with as many cells as there are columns. */
    void row(String label, String... cells) {
        List<String> row = new ArrayList<>(List.of(label));
        row.addAll(List.of(cells));
        if (!rows.isEmpty() && row.size() != rows.get(0).size()) {
            throw new IllegalArgumentException(cells.length + " cells in a table of other width");
        }
        rows.add(row);
    }

    /** A number with as many decimals as a reader can use. */
    static String number(double value) {
        if (Double.isNaN(value)) {
            return "-";
        }
        double size = Math.abs(value);
        return String.format(Locale.ROOT, size >= 100 ? "%,.0f" : size >= 10 ? "%.1f" : "%.2f", value);
    }

    /** The median, and from where to where the values go. */
    static String spread(double[] values) {
        DoubleSummaryStatistics range = Arrays.stream(values).summaryStatistics();
        return number(Samples.median(values)) + " (" + number(range.getMin()) + " - " + number(range.getMax()) + ")";
    }

    @Override
    public String toString() {
        int[] widths = new int[rows.get(0).size()];
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        StringBuilder text = new StringBuilder("\n");
        for (List<String> row : rows) {
            text.append(String.format("%-" + widths[0] + "s", row.get(0)));
            for (int column = 1; column < widths.length; column++) {
                text.append(String.format("  %" + widths[column] + "s", row.get(column)));
            }
            text.append('\n');
        }
        return text.toString();
    }
}
