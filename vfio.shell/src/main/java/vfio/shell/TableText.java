package vfio.shell;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Aligned text. */
final class TableText {
    private static final String GAP = "  ";

    private TableText() {}

    /** Rows of the same columns, under their titles. */
    static String table(List<List<Cell>> rows) {
        List<Cell> first = rows.get(0);
        int[] widths = IntStream.range(0, first.size())
                .map(column -> Math.max(
                        first.get(column).title().length(),
                        rows.stream()
                                .mapToInt(row -> row.get(column).text().length())
                                .max()
                                .orElse(0)))
                .toArray();
        StringBuilder text = new StringBuilder();
        appendLine(
                text,
                first.stream()
                        .map(cell -> new Cell(cell.title(), cell.title(), cell.number()))
                        .toList(),
                widths);
        for (List<Cell> row : rows) {
            text.append('\n');
            appendLine(text, row, widths);
        }
        return text.toString();
    }

    /** The fields of one thing, one below the other. */
    static String fields(List<Cell> cells) {
        int width = cells.stream().mapToInt(cell -> cell.title().length()).max().orElse(0);
        return cells.stream()
                .map(cell -> pad(cell.title(), width, false) + GAP + cell.text())
                .collect(Collectors.joining("\n"));
    }

    private static void appendLine(StringBuilder text, List<Cell> cells, int[] widths) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < widths.length; column++) {
            Cell cell = cells.get(column);
            line.append(column == 0 ? "" : GAP).append(pad(cell.text(), widths[column], cell.number()));
        }
        text.append(line.toString().stripTrailing());
    }

    private static String pad(String text, int width, boolean right) {
        String space = " ".repeat(Math.max(0, width - text.length()));
        return right ? space + text : text + space;
    }
}
