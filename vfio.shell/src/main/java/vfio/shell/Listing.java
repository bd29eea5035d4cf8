package vfio.shell;

import java.util.AbstractList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A list of rows that shows itself as a table, or says why it is empty. Immutable.
 *
 * @param <R> the kind of row
 */
final class Listing<R extends Row> extends AbstractList<R> implements Rendered {
    private final List<R> rows;
    private final String absence;
    private final String appendix;

    /**
     * @param rows the rows
     * @param absence a sentence that explains why there is nothing, if there is nothing
     */
    Listing(List<R> rows, String absence) {
        this(rows, absence, "");
    }

    /**
     * @param rows the rows
     * @param absence a sentence that explains why there is nothing, if there is nothing
     * @param appendix what else there is to know, shown below; may be empty
     */
    Listing(List<R> rows, String absence, String appendix) {
        this.rows = List.copyOf(rows);
        this.absence = absence;
        this.appendix = appendix;
    }

    @Override
    public R get(int index) {
        return rows.get(index);
    }

    @Override
    public int size() {
        return rows.size();
    }

    @Override
    public String inspect() {
        String table = rows.isEmpty()
                ? absence
                : TableText.table(rows.stream().map(Row::cells).toList());
        return appendix.isEmpty() ? table : table + "\n\n" + appendix;
    }

    @Override
    public String line() {
        return rows.stream().map(Row::part).collect(Collectors.joining(", ", "[", "]"));
    }

    @Override
    public String part() {
        return line();
    }
}
