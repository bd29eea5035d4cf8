package vfio.shell;

import java.util.List;
import java.util.stream.Collectors;

/** A result that is a row of a table. All rows of one kind have the same columns; the first identifies the row. */
interface Row extends Rendered {
    /** The fields, from left to right. */
    List<Cell> cells();

    @Override
    default String inspect() {
        return TableText.fields(cells());
    }

    @Override
    default String line() {
        return cells().stream().map(Cell::text).collect(Collectors.joining("  "));
    }

    @Override
    default String part() {
        return cells().get(0).text();
    }
}
